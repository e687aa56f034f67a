import { createHash } from "node:crypto";

/** Where an accepting rule sends a packet: it sets the accept mark and returns to the caller's caller. */
export const ACCEPT_CHAIN = "CNI-OUT-ACCEPT";
/** Where an attachment's chain sends a marked packet: the mark is taken off and the packet leaves our chains. */
export const PASS_CHAIN = "CNI-OUT-PASS";

/** The chain that the CNI firewall plugin puts its per-address accepts in (plugins/meta/firewall/iptables.go). */
export const FIREWALL_CHAIN = "CNI-FORWARD";

/**
 * The kinds of chain that attachments share. `static` is named after its content, a `scope` after the scope, `rules`
 * after their content or the KV key whose rules they hold at the moment; `audit` and `log` are of an audited key.
 */
export type SharedKind =
  | "static"
  | "deny-scope"
  | "accept-scope"
  | "deny-rules"
  | "accept-rules"
  | "deny-audit"
  | "accept-audit"
  | "deny-log"
  | "accept-log";

const SHARED_PREFIX: Readonly<Record<SharedKind, string>> = {
  static: "CNI-OUTST-",
  "deny-scope": "CNI-OUTDS-",
  "accept-scope": "CNI-OUTAS-",
  "deny-rules": "CNI-OUTDR-",
  "accept-rules": "CNI-OUTAR-",
  "deny-audit": "CNI-OUTDA-",
  "accept-audit": "CNI-OUTAA-",
  "deny-log": "CNI-OUTDL-",
  "accept-log": "CNI-OUTAL-",
};

const ATTACHMENT_CHAIN = /^CNI-OUT-[0-9a-f]{20}$/;
const SHARED_CHAIN = /^CNI-OUT(?:ST|[DA][SRAL])-[0-9a-f]{18}$/;

const PLAIN_NAME = /^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,27}$/;

export interface AttachmentId {
  readonly network: string;
  readonly containerId: string;
  readonly ifname: string;
}

/**
 * The chain names an attachment may have, in order of preference. The first is the Go plugin's: `CNI-OUT-` and 20
 * hex digits of sha512(network + containerId) (plugins/pkg/utils/utils.go, MustFormatChainNameWithPrefix). It has no
 * separator and leaves the interface out, so two attachments can ask for the same name; the second then takes the
 * other one. Do not change either: running containers are found by them.
 */
export function attachmentChainNames({ network, containerId, ifname }: AttachmentId): readonly [string, string] {
  return [
    `CNI-OUT-${digest("sha512", network + containerId, 20)}`,
    `CNI-OUT-${digest("sha512", [network, containerId, ifname].join("\0"), 20)}`,
  ];
}

/** The name of a shared chain; `identity` is its content or the scope or key that it stands for. */
export function sharedChainName(kind: SharedKind, identity: string): string {
  return SHARED_PREFIX[kind] + digest("sha256", identity, 18);
}

export function isAttachmentChain(name: string): boolean {
  return ATTACHMENT_CHAIN.test(name);
}

/** Whether a chain holds the jumps to a scope's accepting rules; it may rightly be empty. */
export function isAcceptScopeChain(name: string): boolean {
  return name.startsWith(SHARED_PREFIX["accept-scope"]);
}

/** Whether a chain holds the conflist's `outboundRules`, of all attachments for which they are the same. */
export function isStaticChain(name: string): boolean {
  return name.startsWith(SHARED_PREFIX.static);
}

/**
 * Whether a name means itself in what iptables-restore reads. Netfilter has chains by nearly any name; one with a quote
 * or a backslash is none of ours, nor a main chain, whatever is in it.
 */
export function isPlainChainName(name: string): boolean {
  return PLAIN_NAME.test(name);
}

/** Whether a chain can only be ours by its name. Main chains are not: their name is the operator's choice. */
export function isOwnChainName(name: string): boolean {
  return ATTACHMENT_CHAIN.test(name) || SHARED_CHAIN.test(name) || name === ACCEPT_CHAIN || name === PASS_CHAIN;
}

function digest(algorithm: "sha256" | "sha512", text: string, digits: number): string {
  return createHash(algorithm).update(text, "utf8").digest("hex").slice(0, digits);
}
