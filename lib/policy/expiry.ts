import { isInForce } from "./rule-set.ts";
import type { RuntimeRules, RuntimeRuleSet } from "./runtime-rules.ts";

/** When the next rule set that is in force now, audited ones included, expires. Milliseconds since the epoch. */
export function nextExpiry(runtimeRules: RuntimeRules, nowMs: number): number | undefined {
  let next: number | undefined;
  for (const { ruleSet } of runtimeRules.ruleSets) {
    const { expiresAt } = ruleSet;
    if (expiresAt !== undefined && isInForce(ruleSet, nowMs) && (next === undefined || expiresAt < next))
      next = expiresAt;
  }
  return next;
}

/** The rule sets in force that expire within `withinMs` from now. */
export function expiringWithin(
  { ruleSets }: RuntimeRules,
  { nowMs, withinMs }: { readonly nowMs: number; readonly withinMs: number },
): readonly RuntimeRuleSet[] {
  return ruleSets.filter(
    ({ ruleSet }) =>
      ruleSet.expiresAt !== undefined && isInForce(ruleSet, nowMs) && ruleSet.expiresAt - nowMs <= withinMs,
  );
}

/**
 * Takes its accepts from a rule set that has expired, for good: a clock that is set back afterwards brings its denies
 * back and opens nothing. The same object where there is nothing to do.
 */
export function closeIfExpired(set: RuntimeRuleSet, nowMs: number): RuntimeRuleSet {
  return set.hasExpired === true || isInForce(set.ruleSet, nowMs) ? set : { ...withoutAccepts(set), hasExpired: true };
}

/** For when it cannot be told whether a rule set has expired: what it denies holds, what it accepts does not. */
export function withoutAccepts(set: RuntimeRuleSet): RuntimeRuleSet {
  const rules = set.ruleSet.rules.filter(({ action }) => action !== "ACCEPT");
  return { ...set, ruleSet: { ...set.ruleSet, rules } };
}
