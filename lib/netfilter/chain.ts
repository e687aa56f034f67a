import type { Cidr } from "../policy/address.ts";
import type { PortRange } from "../policy/ports.ts";

/** The conditions of one netfilter rule; all must hold. Absent means any. */
export interface RuleMatch {
  readonly source?: Cidr;
  readonly notSource?: Cidr;
  readonly destination?: Cidr;
  readonly protocol?: "tcp" | "udp" | "sctp" | "icmp" | "ipv6-icmp";
  /** With tcp, udp or sctp; at most 15 ports, a range counting as two (xt_multiport). */
  readonly destinationPorts?: readonly PortRange[];
  readonly inInterface?: string;
  /** The bridge port a packet came in through (xt_physdev). */
  readonly bridgePort?: string;
  readonly notInInterface?: string;
  /** Came in through another bridge port; a packet that the kernel shows no bridge port of does not match. */
  readonly notBridgePort?: string;
  /** Not on its way from one port of a bridge to another (xt_physdev). */
  readonly isBridged?: false;
  /** Packets that answer a connection opened from the other side (`--ctdir REPLY`). */
  readonly isReply?: true;
  /** Whether the packet belongs to a connection that nobody has answered yet (`--ctstate NEW`). */
  readonly isNew?: boolean;
  /** Whether the packet carries the accept mark. */
  readonly isMarked?: boolean;
  /** The destination's type in the host's routing table (xt_addrtype). */
  readonly destinationType?: "LOCAL" | "BROADCAST";
  /** ICMPv6 type of an on-link packet (hop limit 255). */
  readonly onLinkIcmpv6Type?: number;
  /** At most this many packets a second, with a burst of twice as many. */
  readonly limitPerSecond?: number;
}

/** Jump comes back after the other chain; goto does not: it returns to this chain's caller. */
export type Target =
  | { readonly kind: "jump" | "goto"; readonly chain: string }
  | { readonly kind: "drop" | "return" }
  /** Tells the sender: `reset` by a TCP reset (for TCP only), `reject` by ICMP port unreachable. */
  | { readonly kind: "reject" | "reset" }
  | { readonly kind: "mark" | "unmark" }
  /** A line of level `warning`, or of `debug`, which consoles do not show by default. */
  | { readonly kind: "log"; readonly prefix: string; readonly level?: "debug" };

export interface ChainRule {
  readonly match: RuleMatch;
  readonly target: Target;
}

export interface Chain {
  readonly name: string;
  readonly rules: readonly ChainRule[];
}
