import type { Attachment } from "../policy/attachment.ts";
import type { Source } from "../policy/evaluate.ts";
import { isInForce } from "../policy/rule-set.ts";
import type { Rule } from "../policy/rule.ts";
import { networkHasRuleSet, ruleSetsFor, type RuntimeContext, type RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { attachmentScopes, scopePrefix } from "../policy/scope.ts";

/** Denies of runtime and job rules, then static rules, then accepts of runtime and job rules (contract section 6). */
export type Phase = "deny" | "static" | "accept";

/** Rules that are compiled together, in their order. */
export interface RuleList {
  readonly isStatic: boolean;
  readonly rules: readonly Rule[];
  readonly sourceOf: (index: number) => Source;
  /** What their chains are named after; absent: their content. */
  readonly identity?: string;
}

/** The lists that decide an attachment's packets now. */
export function decidingLists(attachment: Attachment, context: RuntimeContext): readonly RuleList[] {
  const { jobRules, network, policy } = attachment;
  const isReplaced = networkHasRuleSet(network, context);
  return [
    { isStatic: true, rules: policy.staticRules, sourceOf: (index) => ({ kind: "static", index }) },
    { isStatic: false, rules: jobRules, sourceOf: (index) => ({ kind: "job", index }) },
    {
      isStatic: false,
      rules: isReplaced ? [] : policy.initialRules,
      sourceOf: (index) => ({ kind: "initial", index }),
    },
    ...ruleSetsFor(attachment, context).map(({ key, ruleSet }): RuleList => ({
      isStatic: false,
      rules: ruleSet.rules,
      sourceOf: (index) => ({ kind: "runtime", key, index }),
      identity: key,
    })),
  ];
}

/** When a rule of a list has its say. */
export function phaseOf({ action }: Rule, { isStatic }: Pick<RuleList, "isStatic">): Phase {
  if (isStatic) return "static";
  return action === "ACCEPT" ? "accept" : "deny";
}

/** The rule sets of an attachment's scopes that are audited, in the order in which they would decide. */
export function auditedSets(
  attachment: Attachment,
  { runtimeRules, nowMs }: RuntimeContext,
): readonly RuntimeRuleSet[] {
  const audited = runtimeRules.ruleSets.filter(({ ruleSet }) => ruleSet.mode === "audit" && isInForce(ruleSet, nowMs));
  return attachmentScopes(attachment, runtimeRules.node).flatMap((scope) =>
    audited
      .filter((each) => scopePrefix(each.scope) === scopePrefix(scope))
      .toSorted((left, right) => (left.key < right.key ? -1 : 1)),
  );
}

/** Rules that concern an attachment and decide nothing now, and are not counted either. */
export interface IdleRules {
  /** The KV key, or absent for the conflist's `runtimeRules`. */
  readonly key?: string;
  /** `replaced`: the network's scope has a rule set in KV, so the conflist's `runtimeRules` step back. */
  readonly why: "expired" | "replaced";
  readonly rules: readonly Rule[];
}

/** Expired rule sets of the attachment's scopes, and initial rules that a rule set replaced. */
export function idleRules(attachment: Attachment, context: RuntimeContext): readonly IdleRules[] {
  const { runtimeRules, nowMs } = context;
  const { initialRules } = attachment.policy;
  const prefixes = new Set(attachmentScopes(attachment, runtimeRules.node).map(scopePrefix));
  const isReplaced = initialRules.length > 0 && networkHasRuleSet(attachment.network, context);
  const sets = runtimeRules.ruleSets.flatMap(({ key, scope, ruleSet }): readonly IdleRules[] => {
    if (!prefixes.has(scopePrefix(scope)) || isInForce(ruleSet, nowMs)) return [];
    return [{ key, why: "expired", rules: ruleSet.rules }];
  });
  return [...(isReplaced ? [{ why: "replaced", rules: initialRules } as const] : []), ...sets];
}
