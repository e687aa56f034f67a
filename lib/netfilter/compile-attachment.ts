import { parseAddress, type Cidr, type Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import type { Chain, ChainRule, Target } from "./chain.ts";
import { withTarget } from "./compile-rules.ts";
import { deniedPrefix } from "./log-prefix.ts";
import { PASS_CHAIN } from "./names.ts";

/** Neighbour and router solicitation and advertisement (RFC 4861); without them an IPv6 address is unreachable. */
const NEIGHBOUR_DISCOVERY_TYPES = [133, 134, 135, 136];

/** Lines a second for one attachment, so that a denied flood does not become a flood of the log. */
const LOG_LIMIT_PER_SECOND = 10;

/** The chains that an attachment's own chain goes through, in order of decision. */
export interface AttachmentJumps {
  readonly deny: readonly string[];
  readonly static: string | undefined;
  readonly accept: readonly string[];
}

/**
 * What decides a packet of one attachment (contract section 6): denies, static rules, accepts, the default action.
 * Every packet of a connection that the container opened is judged, not only the first: so a deny, or an accept
 * taken away, cuts what is open with the next packet. Replies to connections from outside pass.
 *
 * To accept is to leave our chains with the mark taken off: what the host's own rules say comes after. So outbound
 * only ever takes away, and never opens what the host's firewall closes.
 */
export function compileAttachmentChain(attachment: Attachment, { family, jumps }: CompileOptions): Chain {
  const { policy } = attachment;
  return {
    name: attachment.chain,
    rules: [
      ...hostTrafficRules(attachment, family),
      ...neighbourDiscoveryRules(family),
      ...otherInterfaceRules(attachment),
      ...sourceRules(ownAddresses(attachment, family)),
      { match: {}, target: { kind: "unmark" } },
      { match: { isReply: true }, target: { kind: "return" } },
      ...jumpRules(jumps.deny),
      ...(jumps.static === undefined ? [] : [...jumpRules([jumps.static]), PASS_IF_MARKED]),
      ...(jumps.accept.length === 0 ? [] : [...jumpRules(jumps.accept), PASS_IF_MARKED]),
      ...(policy.logDenied && policy.defaultAction !== "ACCEPT" ? [logRule(attachment.containerId)] : []),
      ...(policy.defaultAction === "ACCEPT"
        ? [{ match: {}, target: { kind: "return" } } as const]
        : withTarget({}, policy.defaultAction)),
    ],
  };
}

export interface CompileOptions {
  readonly family: Family;
  readonly jumps: AttachmentJumps;
}

/**
 * What sends a packet to the attachment's chain: the interface it came in through, where the kernel shows that, so
 * that no source address escapes; and its own addresses, where it does not. Empty where neither exists.
 */
export function compileDispatch(attachment: Attachment, family: Family): readonly ChainRule[] {
  const target: Target = { kind: "goto", chain: attachment.chain };
  const { hostInterface } = attachment;
  const byInterface = hostInterface?.isBridgePort
    ? [{ match: { bridgePort: hostInterface.name }, target }]
    : hostInterface
      ? [{ match: { inInterface: hostInterface.name }, target }]
      : [];
  return [...byInterface, ...ownAddresses(attachment, family).map((source) => ({ match: { source }, target }))];
}

const PASS_IF_MARKED: ChainRule = { match: { isMarked: true }, target: { kind: "goto", chain: PASS_CHAIN } };

function ownAddresses({ addresses }: Attachment, family: Family): readonly Cidr[] {
  return addresses.map(parseAddress).filter((address) => address.family === family);
}

/** A broadcast goes to the host and, over the bridge, to every neighbour: only what the host gets is its own traffic. */
function hostTrafficRules({ policy, hostInterface }: Attachment, family: Family): readonly ChainRule[] {
  if (policy.hostTraffic === "filter") return [];
  const types = family === 4 ? (["LOCAL", "BROADCAST"] as const) : (["LOCAL"] as const);
  const toHost = hostInterface?.isBridgePort ? ({ isBridged: false } as const) : {};
  return types.map((destinationType) => ({ match: { ...toHost, destinationType }, target: { kind: "return" } }));
}

/** Only on the link (hop limit 255, RFC 4861 section 6.1): a routed packet of these types is judged like any other. */
function neighbourDiscoveryRules(family: Family): readonly ChainRule[] {
  if (family === 4) return [];
  return NEIGHBOUR_DISCOVERY_TYPES.map((onLinkIcmpv6Type) => ({
    match: { onLinkIcmpv6Type },
    target: { kind: "return" },
  }));
}

/**
 * Whose address it is does not depend on who was attached last: a packet with the attachment's source that another
 * container sends finds the chain by its source where the sender's own rule comes later.
 */
function otherInterfaceRules({ hostInterface }: Attachment): readonly ChainRule[] {
  if (!hostInterface) return [];
  const { name, isBridgePort } = hostInterface;
  return [{ match: isBridgePort ? { notBridgePort: name } : { notInInterface: name }, target: { kind: "drop" } }];
}

/** One rule cannot name two sources to exclude, so with several the mark remembers that one of them matched. */
function sourceRules(own: readonly Cidr[]): readonly ChainRule[] {
  const [first] = own;
  if (!first) return [{ match: {}, target: { kind: "drop" } }];
  if (own.length === 1) return [{ match: { notSource: first }, target: { kind: "drop" } }];
  return [
    { match: {}, target: { kind: "unmark" } },
    ...own.map((source): ChainRule => ({ match: { source }, target: { kind: "mark" } })),
    { match: { isMarked: false }, target: { kind: "drop" } },
  ];
}

function jumpRules(chains: readonly string[]): readonly ChainRule[] {
  return chains.map((chain) => ({ match: {}, target: { kind: "jump", chain } }));
}

function logRule(containerId: string): ChainRule {
  return {
    match: { limitPerSecond: LOG_LIMIT_PER_SECOND },
    target: { kind: "log", prefix: deniedPrefix(containerId) },
  };
}
