import type { KvEntry } from "../lib/host/consul.ts";
import { withoutAccepts } from "../lib/policy/expiry.ts";
import type { Issue } from "../lib/policy/issue.ts";
import { parseRuleSet } from "../lib/policy/parse-rule-set.ts";
import { formatRuleSet } from "../lib/policy/rule-set.ts";
import type { RuleSet } from "../lib/policy/rule-set.ts";
import type { RuntimeRuleSet } from "../lib/policy/runtime-rules.ts";
import { parseKey } from "../lib/policy/scope.ts";

/** A KV entry that did not validate. */
export interface Rejection {
  readonly key: string;
  /** Of the version that was refused. */
  readonly modifyIndex: number;
  readonly issues: readonly Issue[];
  /** Of the last good version, which stays in force. Absent where there is none. */
  readonly keptModifyIndex?: number;
  readonly sinceMs: number;
}

/** A key that fits no scope. */
export interface UnknownKey {
  readonly key: string;
  readonly reason: string;
}

/** What is known of one key: what KV last held, and what of it is in force. */
export interface KnownKey {
  /** What KV last held. Undefined for a set from the cache, until it has been read. */
  readonly entry: KvEntry | undefined;
  readonly inForce: RuntimeRuleSet | undefined;
  readonly rejection: Rejection | undefined;
  readonly unknown: UnknownKey | undefined;
}

/**
 * What is known of a key once `entry` has been read. The same object while the entry is the same; undefined for a folder.
 * The value is compared as well as its ModifyIndex: servers that were wiped and filled again count from the start.
 */
export function learn(entry: KvEntry, known: KnownKey | undefined, { nowMs }: { nowMs: number }): KnownKey | undefined {
  if (known?.entry !== undefined && isSameEntry(known.entry, entry)) {
    return known;
  }
  const { key, modifyIndex } = entry;
  const parsedKey = parseKey(key);
  if (parsedKey.kind === "folder") {
    return undefined;
  }
  const nothing = { entry, inForce: undefined, rejection: undefined, unknown: undefined };
  if (parsedKey.kind === "unknown") {
    return { ...nothing, unknown: { key, reason: parsedKey.reason } };
  }
  const lastGood = known?.inForce;
  const parsed = parseRuleSet(entry.value);
  if (!parsed.ok) {
    const kept = lastGood === undefined ? {} : { keptModifyIndex: lastGood.modifyIndex };
    const rejection = { key, modifyIndex, issues: parsed.issues, ...kept, sinceMs: nowMs };
    return { ...nothing, inForce: lastGood, rejection };
  }
  if (lastGood?.hasExpired === true && isStillExpired(lastGood, { modifyIndex, ruleSet: parsed.value })) {
    return { ...nothing, inForce: lastGood };
  }
  const { scope, name } = parsedKey;
  return { ...nothing, inForce: reuse(lastGood, { key, scope, name, modifyIndex, ruleSet: parsed.value }) };
}

export function isSameEntry(a: KvEntry, b: KvEntry): boolean {
  return a.modifyIndex === b.modifyIndex && a.key === b.key && Buffer.compare(a.value, b.value) === 0;
}

/** The version that this node has seen expire, read again: after a restart only what is left of it is known. */
function isStillExpired(
  lastGood: RuntimeRuleSet,
  { modifyIndex, ruleSet }: Pick<RuntimeRuleSet, "modifyIndex" | "ruleSet">,
): boolean {
  const closed = withoutAccepts({ ...lastGood, ruleSet }).ruleSet;
  return lastGood.modifyIndex === modifyIndex && isSameRuleSet(lastGood.ruleSet, closed);
}

/** What says the same is the same object, so that whoever compiles it can tell without looking into it. */
function reuse(lastGood: RuntimeRuleSet | undefined, next: RuntimeRuleSet): RuntimeRuleSet {
  if (lastGood === undefined || !isSameRuleSet(lastGood.ruleSet, next.ruleSet)) {
    return next;
  }
  return lastGood.modifyIndex === next.modifyIndex ? lastGood : { ...next, ruleSet: lastGood.ruleSet };
}

function isSameRuleSet(a: RuleSet, b: RuleSet): boolean {
  return JSON.stringify(formatRuleSet(a)) === JSON.stringify(formatRuleSet(b));
}
