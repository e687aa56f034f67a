import { parseRuleSet } from "../policy/parse-rule-set.ts";
import { findDoubts } from "../rules/warnings.ts";
import type { Findings } from "./validation.ts";

/** Of what is a KV value: exactly what the watcher would refuse, and what it would take and is probably not meant. */
export function findInRuleSet(
  bytes: Uint8Array,
  { json, nowMs }: { readonly json: unknown; readonly nowMs: number },
): Findings {
  const parsed = parseRuleSet(bytes);
  if (!parsed.ok) return { issues: parsed.issues, warnings: [] };
  const ruleSet = parsed.value;
  const warnings = findDoubts(ruleSet, { nowMs, base: baseOf(json) });
  return { rules: ruleSet.rules.length, issues: [], warnings };
}

/** Where its rules stand, by the three forms of a rule set. */
function baseOf(json: unknown): string {
  return typeof json === "object" && json !== null && "rules" in json ? "$.rules" : "$";
}
