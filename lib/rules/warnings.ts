import { isInForce, type RuleSet } from "../policy/rule-set.ts";
import type { Rule } from "../policy/rule.ts";
import type { Scope } from "../policy/scope.ts";
import { describeTime } from "./rule-set-diff.ts";

/** What is allowed, and probably not meant. */
export function warnAbout(
  ruleSet: RuleSet,
  { scope, nowMs }: { readonly scope: Scope; readonly nowMs: number },
): readonly string[] {
  const { expiresAt, rules, mode } = ruleSet;
  const hasExpired = expiresAt !== undefined && !isInForce(ruleSet, nowMs);
  return [
    ...(hasExpired ? [`It expired at ${describeTime(expiresAt)}: it applies to nothing`] : []),
    ...(rules.length === 0 ? ["It has no rules: it does nothing"] : []),
    ...(scope.kind === "global" && mode === "enforce" && !hasExpired && rules.some(acceptsEverything)
      ? ["It accepts everything that no rule denies, from every allocation of the cluster"]
      : []),
  ];
}

function acceptsEverything({ action, hosts, protocol, ports }: Rule): boolean {
  const isAnywhere = hosts.length === 0 || hosts.some(({ prefix }) => prefix === 0);
  return action === "ACCEPT" && isAnywhere && protocol === "all" && ports.length === 0;
}
