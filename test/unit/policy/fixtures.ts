import { parseKey } from "../../../lib/policy/scope.ts";
import { ruleSchema } from "../../../lib/policy/rule.ts";
import type { Rule, RuleInput } from "../../../lib/policy/rule.ts";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";

export function rule(input: RuleInput): Rule {
  return ruleSchema.parse(input);
}

export function runtimeRuleSet(key: string, ruleSet: Partial<RuleSet> = {}): RuntimeRuleSet {
  const parsed = parseKey(key);
  if (parsed.kind !== "rule-set") throw new Error(`${key} is no rule set's key`);
  const { scope, name } = parsed;
  return { key, scope, name, modifyIndex: 1, ruleSet: { rules: [], mode: "enforce", ...ruleSet } };
}

/** On node n1. */
export function runtimeRulesOf(ruleSets: Readonly<Record<string, Partial<RuleSet>>>): RuntimeRules {
  return { node: "n1", ruleSets: Object.entries(ruleSets).map(([key, ruleSet]) => runtimeRuleSet(key, ruleSet)) };
}
