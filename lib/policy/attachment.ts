import type { Action, Rule } from "./rule.ts";

/** What Nomad says of an allocation in CNI_ARGS. Each is absent where Nomad left it out. */
export interface Identity {
  readonly region?: string;
  readonly namespace?: string;
  readonly job?: string;
  readonly group?: string;
}

/** What the conflist says; the same for every attachment made with it. */
export interface StaticPolicy {
  readonly mainChain: string;
  readonly defaultAction: Action;
  readonly staticRules: readonly Rule[];
  /** Hold while KV has no rule set for the network's scope. */
  readonly initialRules: readonly Rule[];
  readonly hostTraffic: "filter" | "allow";
  readonly logDenied: boolean;
}

export interface HostInterface {
  readonly name: string;
  /** A bridge's port shows itself to netfilter as the physical device only (xt_physdev). */
  readonly isBridgePort: boolean;
}

/** One container's connection to one network, and what the plugin was told of it. */
export interface Attachment {
  readonly network: string;
  /** Nomad's allocation id. */
  readonly containerId: string;
  readonly ifname: string;
  /** Its chain's name, also the name of its state file. */
  readonly chain: string;
  /** Canonical addresses without prefix length, both families. */
  readonly addresses: readonly string[];
  /** The host's end of the veth pair, where prevResult names one. */
  readonly hostInterface?: HostInterface;
  readonly netns: string;
  readonly identity: Identity;
  readonly policy: StaticPolicy;
  /** From CNI_ARGS, after the conflist's `jobRules` had its say. */
  readonly jobRules: readonly Rule[];
  /** Wall clock of the ADD, RFC 3339. For people; order comes from `sequence`. */
  readonly addedAt: string;
  /** Centiseconds since boot at the ADD: the later of two attachments with one address owns it. */
  readonly sequence: number;
}
