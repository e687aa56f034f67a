import type { Issue } from "../policy/issue.ts";
import { isInForce } from "../policy/rule-set.ts";
import type { RuleSet } from "../policy/rule-set.ts";
import { parseRuleSet } from "../policy/parse-rule-set.ts";
import { formatTimestamp } from "../policy/timestamp.ts";
import { warnOfRuntime } from "./undecided.ts";
import type { Findings } from "./validation.ts";

/** Of what is a KV value: exactly what the watcher would refuse, and what it would take and is probably not meant. */
export function findInRuleSet(
  bytes: Uint8Array,
  { json, nowMs }: { readonly json: unknown; readonly nowMs: number },
): Findings {
  const parsed = parseRuleSet(bytes);
  if (!parsed.ok) return { issues: parsed.issues, warnings: [] };
  const ruleSet = parsed.value;
  const warnings = [
    ...warnOfExpiry(ruleSet, nowMs),
    ...warnOfNothing(ruleSet, json),
    ...warnOfRuntime(ruleSet.rules.map((rule, index) => ({ rule, path: pathOf(json, index) }))),
  ];
  return { rules: ruleSet.rules.length, issues: [], warnings };
}

function warnOfExpiry(ruleSet: RuleSet, nowMs: number): readonly Issue[] {
  if (ruleSet.expiresAt === undefined || isInForce(ruleSet, nowMs)) return [];
  const when = formatTimestamp(ruleSet.expiresAt);
  return [{ path: "$.expiresAt", message: `expired at ${when}: it applies no more` }];
}

function warnOfNothing({ rules }: RuleSet, json: unknown): readonly Issue[] {
  return rules.length > 0
    ? []
    : [{ path: Array.isArray(json) ? "$" : "$.rules", message: "has no rules: it decides nothing" }];
}

/** By the three forms of a rule set. */
function pathOf(json: unknown, index: number): string {
  if (Array.isArray(json)) return `$[${index}]`;
  return typeof json === "object" && json !== null && "rules" in json ? `$.rules[${index}]` : "$";
}
