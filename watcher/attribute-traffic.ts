import { withTarget } from "../lib/netfilter/compile-rules.ts";
import { compileAudited, compileRuleChains } from "../lib/netfilter/compile-shared.ts";
import { ACCEPT_CHAIN, isAttachmentChain, isStaticChain, sharedChainName } from "../lib/netfilter/names.ts";
import type { ActualRule, ActualRuleset } from "../lib/netfilter/parse-ruleset.ts";
import { renderRule } from "../lib/netfilter/render-rule.ts";
import type { Family } from "../lib/policy/address.ts";
import type { Attachment } from "../lib/policy/attachment.ts";
import type { Action, Rule } from "../lib/policy/rule.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../lib/policy/runtime-rules.ts";
import { attachmentScopes } from "../lib/policy/scope.ts";
import type { Labels, TrafficSample } from "./traffic.ts";

/** What the kernel's chains stand for. */
export interface TrafficContext {
  readonly attachments: readonly Attachment[];
  readonly runtimeRules: RuntimeRules;
}

export interface AttributedTraffic {
  /** Labels: rule_set, scope, namespace, job, group, action, mode; one that says nothing is empty. */
  readonly ruleSets: readonly TrafficSample[];
  /** Labels: namespace, job, group, network, action. */
  readonly defaults: readonly TrafficSample[];
}

/** Tells whose the counters of one family's table are. */
export type TrafficAttribution = (family: Family, table: ActualRuleset, context: TrafficContext) => AttributedTraffic;

/** What a rule of a chain counts for; undefined for one that decides nothing. */
type LabelsOf = (rule: ActualRule) => Labels | undefined;

export function createTrafficAttribution(): TrafficAttribution {
  const names = new Map<Family, WeakMap<readonly Rule[], readonly string[]>>();
  const namesOf = (rules: readonly Rule[], family: Family): readonly string[] => {
    const known = names.get(family) ?? new WeakMap<readonly Rule[], readonly string[]>();
    names.set(family, known);
    const found = known.get(rules) ?? contentNames(rules, family);
    known.set(rules, found);
    return found;
  };
  return (family, table, { attachments, runtimeRules }) => {
    const owners = new Map<string, LabelsOf>();
    for (const [name, labels] of contentOwners(attachments, (rules) => namesOf(rules, family))) {
      owners.set(name, byTarget({ ...labels, mode: "enforce" }));
    }
    for (const ruleSet of runtimeRules.ruleSets) addRuleSet(owners, ruleSet, family);
    const byChain = new Map(attachments.map((attachment) => [attachment.chain, attachment]));
    const ruleSets: TrafficSample[] = [];
    const defaults: TrafficSample[] = [];
    for (const [chain, rules] of table) {
      if (isAttachmentChain(chain)) defaults.push(...samplesOf(chain, rules, defaultLabels(byChain.get(chain), rules)));
      else ruleSets.push(...samplesOf(chain, rules, owners.get(chain) ?? (isStaticChain(chain) ? STATIC : UNKNOWN)));
    }
    return { ruleSets, defaults };
  };
}

function samplesOf(chain: string, rules: readonly ActualRule[], labelsOf: LabelsOf): readonly TrafficSample[] {
  const seen = new Map<string, number>();
  return rules.flatMap((rule) => {
    const { hash, counters } = rule;
    if (hash === undefined || !counters) return [];
    const nth = seen.get(hash) ?? 0;
    seen.set(hash, nth + 1);
    return [{ id: `${chain} ${hash} ${nth}`, labels: labelsOf(rule), counters }];
  });
}

const NO_IDENTITY = { namespace: "", job: "", group: "" };
const CONFLIST = { rule_set: "conflist", scope: "", ...NO_IDENTITY };
const UNKNOWN: LabelsOf = () => undefined;
const STATIC = byTarget({ ...CONFLIST, mode: "enforce" });

/** Chains that are named after their content: of rules that jobs bring, and of the conflist's `runtimeRules`. */
function contentOwners(
  attachments: readonly Attachment[],
  namesOf: (rules: readonly Rule[]) => readonly string[],
): ReadonlyMap<string, Labels> {
  const owners = new Map<string, Labels>();
  for (const attachment of attachments) {
    const identity = identityLabels(attachment);
    for (const name of namesOf(attachment.jobRules)) {
      const known = owners.get(name);
      owners.set(name, known ? common(known, identity) : { rule_set: "job", scope: "", ...identity });
    }
    for (const name of namesOf(attachment.policy.initialRules)) owners.set(name, CONFLIST);
  }
  return owners;
}

function contentNames(rules: readonly Rule[], family: Family): readonly string[] {
  const { deny, accept } = compileRuleChains(rules, { family });
  return [deny, accept].flatMap((chain) => (chain ? [chain.name] : []));
}

/** Jobs with the same rules share their chain: it counts for what they have in common. */
function common(known: Labels, identity: Labels): Labels {
  const differing = Object.keys(identity).filter((label) => known[label] !== identity[label]);
  return { ...known, ...Object.fromEntries(differing.map((label) => [label, ""])) };
}

/** Dispatched and periodic children count for their job: each has a name of its own, and there is no end of them. */
function identityLabels(attachment: Attachment): Labels {
  const { namespace = "", job = "", group = "" } = attachment.identity;
  const root = attachmentScopes(attachment, "").findLast((scope) => scope.kind === "job")?.job ?? job;
  return { namespace, job: root, group };
}

function addRuleSet(owners: Map<string, LabelsOf>, runtimeRuleSet: RuntimeRuleSet, family: Family): void {
  const { key, scope } = runtimeRuleSet;
  const labels = {
    rule_set: key,
    scope: scope.kind,
    namespace: "namespace" in scope ? scope.namespace : "",
    job: "job" in scope ? scope.job : "",
    group: "group" in scope ? scope.group : "",
  };
  const enforced = byTarget({ ...labels, mode: "enforce" });
  owners.set(sharedChainName("deny-rules", key), enforced);
  owners.set(sharedChainName("accept-rules", key), enforced);
  if (runtimeRuleSet.ruleSet.mode !== "audit") return;
  const audited = auditedLabels(runtimeRuleSet, { family, labels: { ...labels, mode: "audit" } });
  owners.set(sharedChainName("deny-audit", key), audited);
  owners.set(sharedChainName("accept-audit", key), audited);
}

function byTarget({ mode = "", ...labels }: Labels): LabelsOf {
  return ({ target }) => {
    const action = target === ACCEPT_CHAIN ? "ACCEPT" : target;
    return action === "ACCEPT" || action === "DROP" || action === "REJECT" ? { ...labels, action, mode } : undefined;
  };
}

/** All denies of an audited set go to one chain, so which action each stands for is known by its hash only. */
function auditedLabels(
  { key, ruleSet }: RuntimeRuleSet,
  { family, labels: { mode = "", ...labels } }: { readonly family: Family; readonly labels: Labels },
): LabelsOf {
  const actions = new Map<string, Action>();
  for (const rule of ruleSet.rules) {
    for (const compiled of compileAudited(rule, { family, key })) {
      const { hash } = renderRule(compiled, family);
      if (!actions.has(hash)) actions.set(hash, rule.action);
    }
  }
  return ({ hash = "" }) => {
    const action = actions.get(hash);
    return action && { ...labels, action, mode };
  };
}

/** The default action is the last rules of an attachment's own chain. */
function defaultLabels(attachment: Attachment | undefined, rules: readonly ActualRule[]): LabelsOf {
  if (!attachment) return UNKNOWN;
  const { network, policy } = attachment;
  const action = policy.defaultAction;
  const last = new Set(rules.slice(-withTarget({}, action).length));
  const target = action === "ACCEPT" ? "RETURN" : action;
  const labels = { ...identityLabels(attachment), network, action };
  return (rule) => (last.has(rule) && rule.target === target ? labels : undefined);
}
