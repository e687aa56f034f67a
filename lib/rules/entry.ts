import type { Issue, Parsed } from "../policy/issue.ts";
import { parseRuleSet } from "../policy/parse-rule-set.ts";
import type { RuleSet } from "../policy/rule-set.ts";
import { wrap } from "./wrap.ts";

/** A key of KV with the rule set that its value is, if it is one. */
export interface RuleSetEntry {
  /** Below `<root>/rules/`. */
  readonly key: string;
  readonly modifyIndex: number;
  /** As it came. */
  readonly value: Uint8Array;
  readonly parsed: Parsed<RuleSet>;
}

export function toEntry({ key, modifyIndex, value }: Omit<RuleSetEntry, "parsed">): RuleSetEntry {
  return { key, modifyIndex, value, parsed: parseRuleSet(value) };
}

/** The first of them, and how many more there are: a line for whoever replaces or removes the value. */
export function describeIssues(issues: readonly Issue[]): readonly string[] {
  const [first] = issues;
  if (!first) return [];
  const more = issues.length === 1 ? "" : ` (and ${issues.length - 1} more)`;
  return [wrap(`! ${describeIssue(first)}${more}`, { indent: 4 })];
}

/** `$.rules[0].port: found 70000, expected …`. */
export function describeIssue({ path, message }: Issue): string {
  return `${path}: ${message}`;
}
