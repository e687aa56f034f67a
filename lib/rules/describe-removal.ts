import { describeIssues, type RuleSetEntry } from "./entry.ts";
import { toOneLine } from "./one-line.ts";
import { countRules, describeChanges } from "./rule-set-diff.ts";

/** What goes with a key. */
export function describeRemoval({ key, parsed }: RuleSetEntry): string {
  const shown = toOneLine(key);
  if (parsed.ok) {
    const { value } = parsed;
    return [`${shown}: ${countRules(value.rules.length)}`, ...describeChanges(value, undefined)].join("\n");
  }
  return [`${shown}: an invalid value`, ...describeIssues(parsed.issues)].join("\n");
}
