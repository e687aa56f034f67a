import type { Issue, Parsed } from "../policy/issue.ts";
import { parseRuleSet } from "../policy/parse-rule-set.ts";
import type { RuleSet } from "../policy/rule-set.ts";

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

/** `$.rules[0].port: found 70000, expected …`. */
export function describeIssue({ path, message }: Issue): string {
  return `${path}: ${message}`;
}
