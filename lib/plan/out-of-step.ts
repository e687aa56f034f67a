import type { RuleSetEntry } from "../rules/entry.ts";
import type { NodeStatus } from "../status/node-status.ts";

/**
 * `refused`: KV has a value that is no rule set, and nodes keep an earlier one. `other-version`: they have not come to
 * KV's version, or KV has changed since it was read. `not-in-kv`: KV does not have it, or hides it from this token.
 */
export type OutOfStepReason = "refused" | "other-version" | "not-in-kv";

/** A rule set of which nodes have something else in force than what KV has. */
export interface OutOfStep {
  readonly key: string;
  readonly why: OutOfStepReason;
  /** Sorted. */
  readonly nodes: readonly string[];
}

/** Compares what nodes say they have with KV, for keys that start with one of the prefixes. Sorted by key. */
export function findOutOfStep(
  statuses: readonly NodeStatus[],
  { entries, prefixes }: { readonly entries: readonly RuleSetEntry[]; readonly prefixes: ReadonlySet<string> },
): readonly OutOfStep[] {
  const byKey = new Map(entries.map((entry) => [entry.key, entry]));
  const found = statuses.flatMap(({ node, ruleSets }) =>
    ruleSets.flatMap(({ key, modifyIndex }) => {
      if (!prefixes.has(key.slice(0, key.lastIndexOf("/") + 1))) return [];
      const why = reasonFor(byKey.get(key), modifyIndex);
      return why === undefined ? [] : [{ key, why, node }];
    }),
  );
  return [...Map.groupBy(found, ({ key, why }) => `${key} ${why}`).values()]
    .flatMap(([first, ...others]) => {
      if (!first) return [];
      return [{ key: first.key, why: first.why, nodes: [first, ...others].map(({ node }) => node).toSorted() }];
    })
    .toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
}

function reasonFor(entry: RuleSetEntry | undefined, modifyIndex: number): OutOfStepReason | undefined {
  if (entry === undefined) return "not-in-kv";
  if (!entry.parsed.ok) return "refused";
  return entry.modifyIndex === modifyIndex ? undefined : "other-version";
}
