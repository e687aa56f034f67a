import { isInForce, type RuleSet } from "../policy/rule-set.ts";
import type { Rule } from "../policy/rule.ts";
import type { Issue } from "../policy/issue.ts";
import type { Scope } from "../policy/scope.ts";
import { warnOfRuntime } from "../validate/undecided.ts";
import { describeIssue } from "./entry.ts";
import { describeTime } from "./rule-set-diff.ts";

/** What is allowed, and probably not meant. */
export function warnAbout(
  ruleSet: RuleSet,
  { scope, nowMs }: { readonly scope: Scope; readonly nowMs: number },
): readonly string[] {
  const { rules, mode } = ruleSet;
  const isOpen = mode === "enforce" && isInForce(ruleSet, nowMs) && rules.some(acceptsEverything);
  const whose = scope.kind === "global" ? "of the cluster" : "that it applies to";
  return [
    ...findDoubts(ruleSet, { nowMs, base: "$.rules" }).map(describeIssue),
    ...(isOpen ? [`It accepts everything that no rule denies, from every allocation ${whose}`] : []),
  ];
}

/** What a rule set says, wherever it applies, and probably does not mean; `base` is the path of its list of rules. */
export function findDoubts(
  ruleSet: RuleSet,
  { nowMs, base }: { readonly nowMs: number; readonly base: string },
): readonly Issue[] {
  const { expiresAt, rules } = ruleSet;
  return [
    ...(expiresAt === undefined || isInForce(ruleSet, nowMs)
      ? []
      : [{ path: "$.expiresAt", message: `expired at ${describeTime(expiresAt)}: it applies no more` }]),
    ...(rules.length > 0 ? [] : [{ path: base, message: "has no rules: it decides nothing" }]),
    ...warnOfRuntime(rules.map((rule, index) => ({ rule, path: `${base}[${index}]` }))),
  ];
}

function acceptsEverything({ action, hosts, protocol, ports }: Rule): boolean {
  const isAnywhere = hosts.length === 0 || hosts.some(({ prefix }) => prefix === 0);
  return action === "ACCEPT" && isAnywhere && protocol === "all" && ports.length === 0;
}
