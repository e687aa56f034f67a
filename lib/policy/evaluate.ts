import { cidrContains, parseAddress } from "./address.ts";
import type { Cidr, Family } from "./address.ts";
import type { StaticPolicy } from "./attachment.ts";
import type { Action, Rule } from "./rule.ts";
import { networkHasRuleSet, ruleSetsFor } from "./runtime-rules.ts";
import type { RuntimeContext, RuntimeRuleSet } from "./runtime-rules.ts";
import type { ScopedAttachment } from "./scope.ts";

/** All that decides the packets of one attachment. */
export interface Policy {
  readonly staticRules: readonly Rule[];
  readonly defaultAction: Action;
  readonly jobRules: readonly Rule[];
  /** Hold only while the network's scope has no rule set. */
  readonly initialRules: readonly Rule[];
  readonly networkHasRuleSet: boolean;
  /** Those that apply, in order of decision, as `ruleSetsFor` gives them. */
  readonly runtimeRuleSets: readonly RuntimeRuleSet[];
}

/** The first packet of a connection from a container. */
export interface Packet {
  readonly family: Family;
  /** An address of that family. */
  readonly destination: string;
  /** A name as in rules, or any other protocol's name or IANA number. */
  readonly protocol: string | number;
  /** Destination port. A rule with ports matches no packet without one. */
  readonly port?: number;
}

export type Verdict = "accept" | "drop" | "reject";

/** Where the deciding rule stands; `index` counts within its list. */
export type Source =
  | { readonly kind: "static" | "job" | "initial"; readonly index: number }
  | { readonly kind: "runtime"; readonly key: string; readonly index: number }
  | { readonly kind: "default" };

export interface Decision {
  readonly verdict: Verdict;
  readonly source: Source;
  /** Absent where the default action decides. */
  readonly rule?: Rule;
}

/**
 * What becomes of a new connection, by the order of decision alone: denies of job, initial and runtime rules,
 * static rules in their order, accepts of job, initial and runtime rules, the default action.
 * The reference that the compiled chains are tested against: it shares nothing with the compiler.
 *
 * @throws Error where the destination is no address of the packet's family
 */
export function evaluate(policy: Policy, packet: Packet): Decision {
  const destination = parseAddress(packet.destination);
  if (destination.family !== packet.family) {
    throw new Error(
      `Cannot evaluate packet: ${packet.destination} is IPv${destination.family}, expected IPv${packet.family}`,
    );
  }
  const dynamic = dynamicRules(policy);
  const phases = [
    dynamic.filter(({ rule }) => rule.action !== "ACCEPT"),
    policy.staticRules.map((rule, index): SourcedRule => ({ rule, source: { kind: "static", index } })),
    dynamic.filter(({ rule }) => rule.action === "ACCEPT"),
  ];
  const decisive = phases.flat().find(({ rule }) => matches(rule, { ...packet, destination }));
  if (decisive === undefined) return { verdict: toVerdict(policy.defaultAction), source: { kind: "default" } };
  return { verdict: toVerdict(decisive.rule.action), source: decisive.source, rule: decisive.rule };
}

/** `evaluate` for an attachment, with the rule sets that apply to it now. */
export function evaluateFor(attachment: PolicySubject, packet: Packet, context: RuntimeContext): Decision {
  const { staticRules, defaultAction, initialRules } = attachment.policy;
  const policy: Policy = {
    staticRules,
    defaultAction,
    initialRules,
    jobRules: attachment.jobRules,
    networkHasRuleSet: networkHasRuleSet(attachment.network, context),
    runtimeRuleSets: ruleSetsFor(attachment, context),
  };
  return evaluate(policy, packet);
}

/** What of an attachment decides its packets, wherever it runs. */
export interface PolicySubject extends ScopedAttachment {
  readonly policy: Pick<StaticPolicy, "staticRules" | "defaultAction" | "initialRules">;
  readonly jobRules: readonly Rule[];
}

interface SourcedRule {
  readonly rule: Rule;
  readonly source: Source;
}

function dynamicRules({ jobRules, initialRules, networkHasRuleSet: isReplaced, runtimeRuleSets }: Policy) {
  return [
    ...jobRules.map((rule, index): SourcedRule => ({ rule, source: { kind: "job", index } })),
    ...(isReplaced
      ? []
      : initialRules.map((rule, index): SourcedRule => ({ rule, source: { kind: "initial", index } }))),
    ...runtimeRuleSets.flatMap(({ key, ruleSet }) =>
      ruleSet.rules.map((rule, index): SourcedRule => ({ rule, source: { kind: "runtime", key, index } })),
    ),
  ];
}

function matches(rule: Rule, packet: Omit<Packet, "destination"> & { readonly destination: Cidr }): boolean {
  const { destination, port } = packet;
  return (
    matchesProtocol(rule, packet) &&
    (rule.hosts.length === 0 || rule.hosts.some((host) => cidrContains(host, destination))) &&
    (rule.ports.length === 0 ||
      (port !== undefined && rule.ports.some(({ first, last }) => first <= port && port <= last)))
  );
}

function matchesProtocol(rule: Rule, { protocol, family }: Pick<Packet, "protocol" | "family">): boolean {
  if (rule.protocol === "all") return true;
  if (rule.protocol === "icmp" && family !== 4) return false;
  if (rule.protocol === "icmpv6" && family !== 6) return false;
  return rule.protocol === nameOf(protocol);
}

/** By IANA's protocol numbers and netfilter's other name for ICMPv6. */
function nameOf(protocol: string | number): string {
  switch (String(protocol).toLowerCase()) {
    case "1":
      return "icmp";
    case "6":
      return "tcp";
    case "17":
      return "udp";
    case "58":
    case "ipv6-icmp":
      return "icmpv6";
    case "132":
      return "sctp";
    default:
      return String(protocol).toLowerCase();
  }
}

function toVerdict(action: Action): Verdict {
  switch (action) {
    case "ACCEPT":
      return "accept";
    case "DROP":
      return "drop";
    case "REJECT":
      return "reject";
  }
}
