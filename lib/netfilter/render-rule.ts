import { createHash } from "node:crypto";
import { formatCidr, type Family } from "../policy/address.ts";
import type { PortRange } from "../policy/ports.ts";
import type { Chain, ChainRule, RuleMatch, Target } from "./chain.ts";

/**
 * One bit of the packet mark says "accepted" between our own chains. It is cleared before a packet is judged and
 * before it leaves. Bit 30 is used by none of: kube-proxy, portmap, Calico's and Cilium's defaults below bit 16,
 * Tailscale, wg-quick.
 */
export const ACCEPT_MARK = "0x40000000";

/**
 * Raise it whenever the same chain is rendered to other text: CHECK compares hashes only within one format, so that
 * an upgrade does not fail the allocations that run through it.
 */
export const FORMAT = 1;

/** One rule as iptables-restore reads it (without `-A CHAIN`), and the hash in its comment that it is known by. */
export interface RenderedRule {
  readonly text: string;
  readonly hash: string;
  /** As it is listed: a chain's name, or DROP and the like. */
  readonly target: string;
}

export interface RenderedChain {
  readonly name: string;
  readonly rules: readonly RenderedRule[];
}

export function renderChain({ name, rules }: Chain, family: Family): RenderedChain {
  return { name, rules: rules.map((rule) => renderRule(rule, family)) };
}

/** The hash covers the rendered text, so equal hashes mean equal rules whatever the kernel makes of the text. */
export function renderRule({ match, target }: ChainRule, family: Family): RenderedRule {
  const conditions = renderMatch(match, family);
  const action = renderTarget(target);
  const hash = createHash("sha256").update(`${conditions} ${action}`).digest("hex").slice(0, 16);
  const comment = `-m comment --comment outbound:${FORMAT}:${hash}`;
  return {
    text: [conditions, comment, action].filter((part) => part !== "").join(" "),
    hash: `${FORMAT}:${hash}`,
    target: action.split(" ")[1] ?? "",
  };
}

function renderMatch(match: RuleMatch, family: Family): string {
  const parts: string[] = [];
  if (match.source) parts.push(`-s ${formatCidr(match.source)}`);
  if (match.notSource) parts.push(`! -s ${formatCidr(match.notSource)}`);
  if (match.destination) parts.push(`-d ${formatCidr(match.destination)}`);
  if (match.inInterface !== undefined) parts.push(`-i ${match.inInterface}`);
  if (match.notInInterface !== undefined) parts.push(`! -i ${match.notInInterface}`);
  if (match.bridgePort !== undefined) parts.push(`-m physdev --physdev-in ${match.bridgePort}`);
  if (match.notBridgePort !== undefined) {
    parts.push(`-m physdev ! --physdev-in ${match.notBridgePort} --physdev-is-in`);
  }
  if (match.isBridged === false) parts.push("-m physdev ! --physdev-is-bridged");
  if (match.protocol) parts.push(`-p ${match.protocol}`, ...renderPorts(match.protocol, match.destinationPorts));
  if (match.onLinkIcmpv6Type !== undefined) {
    parts.push(`-p ipv6-icmp -m icmp6 --icmpv6-type ${match.onLinkIcmpv6Type} -m hl --hl-eq 255`);
  }
  if (match.destinationType) parts.push(`-m addrtype --dst-type ${match.destinationType}`);
  if (match.isReply) parts.push("-m conntrack --ctdir REPLY");
  if (match.isNew !== undefined) parts.push(`-m conntrack ${match.isNew ? "" : "! "}--ctstate NEW`);
  if (match.isMarked !== undefined) {
    parts.push(`-m mark ${match.isMarked ? "" : "! "}--mark ${ACCEPT_MARK}/${ACCEPT_MARK}`);
  }
  if (match.limitPerSecond !== undefined) {
    parts.push(`-m limit --limit ${match.limitPerSecond}/second --limit-burst ${2 * match.limitPerSecond}`);
  }
  if (family === 4 && match.onLinkIcmpv6Type !== undefined) throw new Error("Cannot render rule: ICMPv6 in IPv4");
  return parts.join(" ");
}

function renderPorts(protocol: string, ports: readonly PortRange[] | undefined): readonly string[] {
  const [only] = ports ?? [];
  if (!ports || !only) return [];
  if (ports.length === 1) return [`-m ${protocol} --dport ${formatRange(only)}`];
  return [`-m multiport --dports ${ports.map(formatRange).join(",")}`];
}

function formatRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}:${last}`;
}

function renderTarget(target: Target): string {
  switch (target.kind) {
    case "jump":
      return `-j ${target.chain}`;
    case "goto":
      return `-g ${target.chain}`;
    case "mark":
      return `-j MARK --set-xmark ${ACCEPT_MARK}/${ACCEPT_MARK}`;
    case "unmark":
      return `-j MARK --set-xmark 0x0/${ACCEPT_MARK}`;
    case "log":
      return `-j LOG --log-prefix "${target.prefix}"${target.level ? ` --log-level ${target.level}` : ""}`;
    case "drop":
      return "-j DROP";
    case "reject":
      return "-j REJECT";
    case "reset":
      return "-j REJECT --reject-with tcp-reset";
    case "return":
      return "-j RETURN";
  }
}
