import type { Rule } from "../policy/rule.ts";
import { ruleCost } from "../policy/rule-set.ts";

/** netfilter rules that the rules of one source may become, for one family; a rule set in KV has the same limit. */
const MAX_RULE_COST = 20_000;

/** Why these are too many rules; undefined where they are not. */
export function ruleLimitIssue(rules: readonly Rule[]): string | undefined {
  const cost = rules.reduce((sum, rule) => sum + ruleCost(rule), 0);
  if (cost <= MAX_RULE_COST) return undefined;
  return `found rules that expand to ${cost} netfilter rules, expected at most ${MAX_RULE_COST}`;
}
