import type { RuleSet } from "../policy/rule-set.ts";
import { describeIssues, type RuleSetEntry } from "./entry.ts";
import { toOneLine } from "./one-line.ts";
import { isSameRuleSet } from "./proposal.ts";
import { countRules, describeChanges } from "./rule-set-diff.ts";

/** What a write is about to do: its key, whether it is new, and each change. */
export function describePut(
  current: RuleSetEntry | undefined,
  { key, ruleSet }: { readonly key: string; readonly ruleSet: RuleSet },
): string {
  const shown = toOneLine(key);
  const count = countRules(ruleSet.rules.length);
  if (!current) return [`${shown}: new, ${count}`, ...describeChanges(undefined, ruleSet)].join("\n");
  const { parsed } = current;
  if (!parsed.ok) {
    return [
      `${shown}: ${count} instead of an invalid value`,
      ...describeIssues(parsed.issues),
      ...describeChanges(undefined, ruleSet),
    ].join("\n");
  }
  if (isSameRuleSet(parsed.value, ruleSet)) {
    return `${shown}: unchanged, nothing to write (ModifyIndex ${current.modifyIndex})`;
  }
  return [`${shown}: changed`, ...describeChanges(parsed.value, ruleSet)].join("\n");
}
