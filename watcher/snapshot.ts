import type { KvEntry } from "../lib/host/consul.ts";
import { closeIfExpired } from "../lib/policy/expiry.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../lib/policy/runtime-rules.ts";
import { learn } from "./known-key.ts";
import type { KnownKey, Rejection, UnknownKey } from "./known-key.ts";

/** What has been read of every watched prefix. Keys and prefixes are relative to `<root>/rules/`. */
export interface Snapshot {
  readonly known: ReadonlyMap<string, KnownKey>;
  /** The prefixes that are watched and have been answered since the start. */
  readonly answered: ReadonlySet<string>;
  /** The same object while nothing in force has changed. */
  readonly runtimeRules: RuntimeRules;
}

/** What became of one rule set in force. */
export type RuleSetChange =
  | { readonly kind: "put"; readonly ruleSet: RuntimeRuleSet; readonly previous?: RuntimeRuleSet }
  | { readonly kind: "removed"; readonly previous: RuntimeRuleSet };

/** A snapshot after an answer, and what the answer brought; keys that were rejected before are not told again. */
export interface AppliedAnswer {
  readonly snapshot: Snapshot;
  readonly changes: readonly RuleSetChange[];
  readonly rejections: readonly Rejection[];
  readonly unknownKeys: readonly UnknownKey[];
}

/** A snapshot that starts from the rules of an earlier run, in which nothing has been answered yet. */
export function createSnapshot(start: RuntimeRules): Snapshot {
  const known = start.ruleSets.map((ruleSet): [string, KnownKey] => [
    ruleSet.key,
    { entry: undefined, inForce: ruleSet, rejection: undefined, unknown: undefined },
  ]);
  return { known: new Map(known), answered: new Set(), runtimeRules: start };
}

/**
 * Takes in everything that KV holds under `prefix`. A value that does not validate leaves its key's last good version
 * in force; a key that is gone takes its rule set with it. The same snapshot comes back if the answer says nothing new.
 */
export function applyAnswer(
  snapshot: Snapshot,
  { prefix, entries }: { readonly prefix: string; readonly entries: readonly KvEntry[] },
  { nowMs }: { readonly nowMs: number },
): AppliedAnswer {
  const read = new Map<string, KnownKey>();
  for (const entry of entries) {
    const known = learn(entry, snapshot.known.get(entry.key), { nowMs });
    if (known !== undefined) {
      read.set(entry.key, known);
    }
  }
  const gone = [...snapshot.known].filter(([key]) => key.startsWith(prefix) && !read.has(key));
  const news = [...read].filter(([key, now]) => snapshot.known.get(key) !== now);
  const changes = [
    ...news.flatMap(([key, now]) => toPut(now.inForce, snapshot.known.get(key)?.inForce)),
    ...gone.flatMap(([, { inForce }]) => toRemoved(inForce)),
  ];
  const isSame = gone.length + news.length === 0 && snapshot.answered.has(prefix);
  const next = {
    known: replaceKeys(snapshot.known, { gone, news }),
    answered: new Set([...snapshot.answered, prefix]),
    runtimeRules: changes.length === 0 ? snapshot.runtimeRules : replaceRuleSets(snapshot.runtimeRules, changes),
  };
  return {
    snapshot: isSame ? snapshot : next,
    changes,
    rejections: news.flatMap(([, { rejection }]) => rejection ?? []),
    unknownKeys: news.flatMap(([, { unknown }]) => unknown ?? []),
  };
}

/** Takes the accepts from rule sets that have expired, for good. The same snapshot where none has. */
export function closeExpired(snapshot: Snapshot, nowMs: number): Snapshot {
  const { runtimeRules: before } = snapshot;
  const ruleSets = before.ruleSets.map((ruleSet) => closeIfExpired(ruleSet, nowMs));
  if (ruleSets.every((ruleSet, index) => ruleSet === before.ruleSets[index])) {
    return snapshot;
  }
  const known = new Map(snapshot.known);
  for (const inForce of ruleSets) {
    const now = known.get(inForce.key);
    if (now !== undefined) {
      known.set(inForce.key, { ...now, inForce });
    }
  }
  return { ...snapshot, known, runtimeRules: { node: before.node, ruleSets } };
}

/**
 * Says which prefixes are watched from now on. The rule sets of others stay in force for who may start with them, but
 * are no longer in sync, and what was wrong under them is forgotten.
 */
export function retainPrefixes(snapshot: Snapshot, prefixes: readonly string[]): Snapshot {
  const known = new Map<string, KnownKey>();
  for (const [key, now] of snapshot.known) {
    if (prefixes.some((prefix) => key.startsWith(prefix))) {
      known.set(key, now);
    } else if (now.inForce !== undefined) {
      known.set(key, { entry: undefined, inForce: now.inForce, rejection: undefined, unknown: undefined });
    }
  }
  const answered = prefixes.filter((prefix) => snapshot.answered.has(prefix));
  return { ...snapshot, known, answered: new Set(answered) };
}

/** The rule sets in force, sorted by key; the same object while nothing in force has changed. */
export function runtimeRules(snapshot: Snapshot): RuntimeRules {
  return snapshot.runtimeRules;
}

/** Whether all that is needed has been read since the start. Nothing is removed before that. */
export function isInSync(snapshot: Snapshot, neededPrefixes: readonly string[]): boolean {
  return neededPrefixes.every((prefix) => snapshot.answered.has(prefix));
}

/** Whether any key under the prefix is known: an answer that says there is none is then looked at twice. */
export function hasKeys(snapshot: Snapshot, prefix: string): boolean {
  return [...snapshot.known.keys()].some((key) => key.startsWith(prefix));
}

/** Every key whose current value is refused, sorted by key. */
export function rejections(snapshot: Snapshot): readonly Rejection[] {
  return [...snapshot.known.values()].flatMap(({ rejection }) => rejection ?? []).toSorted(byKey);
}

/** Every key that fits no scope, sorted. */
export function unknownKeys(snapshot: Snapshot): readonly UnknownKey[] {
  return [...snapshot.known.values()].flatMap(({ unknown }) => unknown ?? []).toSorted(byKey);
}

function toPut(now: RuntimeRuleSet | undefined, previous: RuntimeRuleSet | undefined): readonly RuleSetChange[] {
  if (now === undefined || now === previous) {
    return [];
  }
  return [previous === undefined ? { kind: "put", ruleSet: now } : { kind: "put", ruleSet: now, previous }];
}

function toRemoved(previous: RuntimeRuleSet | undefined): readonly RuleSetChange[] {
  return previous === undefined ? [] : [{ kind: "removed", previous }];
}

function replaceKeys(
  known: ReadonlyMap<string, KnownKey>,
  { gone, news }: { gone: readonly [string, KnownKey][]; news: readonly [string, KnownKey][] },
): ReadonlyMap<string, KnownKey> {
  const next = new Map(known);
  for (const [key] of gone) {
    next.delete(key);
  }
  for (const [key, now] of news) {
    next.set(key, now);
  }
  return next;
}

function replaceRuleSets(rules: RuntimeRules, changes: readonly RuleSetChange[]): RuntimeRules {
  const replaced = new Set(changes.flatMap(({ previous }) => previous ?? []));
  const kept = rules.ruleSets.filter((ruleSet) => !replaced.has(ruleSet));
  const put = changes.flatMap((change) => (change.kind === "put" ? change.ruleSet : []));
  return { node: rules.node, ruleSets: [...kept, ...put].toSorted(byKey) };
}

/** By code unit, as nothing else is the same on every machine. */
function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : Number(a.key > b.key);
}
