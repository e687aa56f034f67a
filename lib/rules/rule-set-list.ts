import { alignColumns, elide } from "../inspect/table.ts";
import type { Issue } from "../policy/issue.ts";
import { isInForce, type RuleSet } from "../policy/rule-set.ts";
import { parseKey, scopePrefix, watchedPrefix, type Scope } from "../policy/scope.ts";
import { formatTimestamp } from "../policy/timestamp.ts";
import { describeIssue, type RuleSetEntry } from "./entry.ts";
import { toOneLine } from "./one-line.ts";
import { describeTime } from "./rule-set-diff.ts";
import { formatScopeFlags } from "./scope-flags.ts";
import { wrap } from "./wrap.ts";

/** `outbound rules list --json`. */
export interface RuleSetList {
  /** By scope, and by name within one. */
  readonly ruleSets: readonly ListedRuleSet[];
  /** Keys that fit no scope: they apply to nothing. */
  readonly unknown: readonly { readonly key: string; readonly reason: string }[];
}

export interface ListedRuleSet {
  /** Below `<root>/rules/`. */
  readonly key: string;
  readonly scope: Scope;
  readonly name: string;
  readonly modifyIndex: number;
  readonly state: "ok" | "expired" | "invalid";
  /** What an invalid one says is null. */
  readonly rules: number | null;
  readonly mode: RuleSet["mode"] | null;
  readonly expiresAt: string | null;
  readonly description: string | null;
  readonly issues: readonly Issue[];
}

export function listRuleSets(entries: readonly RuleSetEntry[], { nowMs }: { readonly nowMs: number }): RuleSetList {
  const ruleSets: ListedRuleSet[] = [];
  const unknown: { key: string; reason: string }[] = [];
  for (const entry of entries) {
    const key = parseKey(entry.key);
    if (key.kind === "unknown") unknown.push({ key: entry.key, reason: key.reason });
    if (key.kind === "rule-set") ruleSets.push(listRuleSet(entry, { ...key, nowMs }));
  }
  return {
    ruleSets: ruleSets.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1)),
    unknown: unknown.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

/** One table, its rows under a line for each scope, written as the flags that name it. */
export function formatRuleSetList({ ruleSets, unknown }: RuleSetList): string {
  const lines: string[] = [];
  const [heading = "", ...rows] = alignColumns([HEADING, ...ruleSets.map(cells)], { right: [1] });
  if (ruleSets.length > 0) lines.push(`  ${heading}`);
  let scope = "";
  for (const [index, each] of ruleSets.entries()) {
    const flags = formatScopeFlags(each.scope);
    if (flags !== scope) lines.push(flags);
    scope = flags;
    if (each.name.length > NAME_WIDTH) lines.push(`  ${toOneLine(each.name)}`);
    lines.push(`  ${rows[index] ?? ""}`, ...formatIssues(each.issues));
  }
  if (lines.length > 0 && unknown.length > 0) lines.push("");
  if (unknown.length > 0) lines.push("Keys that fit no scope, and so apply to nothing: outbound rules rm KEY");
  for (const { key, reason } of unknown) lines.push(`  ${toOneLine(key)}`, wrap(`    ${reason}`, { indent: 4 }));
  return lines.join("\n");
}

const HEADING = ["NAME", "RULES", "MODE", "EXPIRES", "STATE"];

/** All of 80 columns but the number of rules, the mode, the time, the state and the spaces between. */
const NAME_WIDTH = 29;

const STATE_CELL: Readonly<Record<ListedRuleSet["state"], string>> = {
  ok: "ok",
  expired: "expired",
  invalid: "INVALID",
};

function listRuleSet(
  { key, modifyIndex, parsed }: RuleSetEntry,
  { scope, name, nowMs }: { readonly scope: Scope; readonly name: string; readonly nowMs: number },
): ListedRuleSet {
  const place = { key, scope, name, modifyIndex };
  if (!parsed.ok) {
    const { issues } = parsed;
    return { ...place, state: "invalid", rules: null, mode: null, expiresAt: null, description: null, issues };
  }
  const { rules, mode, expiresAt, description = null } = parsed.value;
  return {
    ...place,
    state: isInForce(parsed.value, nowMs) ? "ok" : "expired",
    rules: rules.length,
    mode,
    expiresAt: expiresAt === undefined ? null : formatTimestamp(expiresAt),
    description,
    issues: [],
  };
}

function cells({ name, rules, mode, expiresAt, state }: ListedRuleSet): readonly string[] {
  return [
    name.length > NAME_WIDTH ? "" : toOneLine(name),
    rules === null ? "-" : String(rules),
    mode ?? "-",
    expiresAt === null ? "-" : describeTime(Date.parse(expiresAt)).replace(/\.\d+Z$/, "Z"),
    STATE_CELL[state],
  ];
}

function formatIssues(issues: readonly Issue[]): readonly string[] {
  const [first] = issues;
  if (!first) return [];
  const more = issues.length === 1 ? "" : ` (and ${issues.length - 1} more: see outbound rules get)`;
  return [wrap(`    ${elide(describeIssue(first), MOST_ISSUE_CHARACTERS)}${more}`, { indent: 4 })];
}

const MOST_ISSUE_CHARACTERS = 400;

/** Widest first; what is within a namespace is together. */
function orderOf({ scope, name }: ListedRuleSet): string {
  const width = ["global", "node", "network", "namespace"].findIndex((start) => watchedPrefix(scope).startsWith(start));
  return `${width} ${scopePrefix(scope)} ${name}`;
}
