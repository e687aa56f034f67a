import { isInForce } from "../policy/rule-set.ts";
import type { RuleSetEntry } from "../rules/entry.ts";
import type { AppliedRuleSet, NodeStatus } from "../status/node-status.ts";

/**
 * `invalid-in-kv`: KV has a value that is no rule set, and nodes keep an earlier one. `refused`: watchers of another
 * version refuse what is a rule set here. `other-version`, `not-in-force`: nodes have not come to KV's version, or KV
 * has changed since it was read. `not-in-kv`: KV does not have it, or hides it from this token.
 */
export type OutOfStepReason = "invalid-in-kv" | "refused" | "other-version" | "not-in-force" | "not-in-kv";

/** What a node has in force of a rule set, where KV has something else. */
export interface Deviation {
  readonly key: string;
  readonly why: OutOfStepReason;
  /** Of the version that decides on the node; null where none does. */
  readonly modifyIndex: number | null;
  /** Of what KV has; null where that is nothing. */
  readonly kvModifyIndex: number | null;
  /** Whether it may pass by itself: the node's watcher is in sync with KV. */
  readonly isPassing: boolean;
  /** What the plan takes as the rules before the change. */
  readonly comparedWith: "kv" | "nothing" | "in-force";
}

/** A rule set of which nodes have something else in force than what KV has. */
export interface OutOfStep extends Deviation {
  /** Sorted. */
  readonly nodes: readonly string[];
}

/** What a node has in force, as far as it is compared. */
export interface NodeVersions extends Pick<NodeStatus, "node" | "isInSync" | "rejections" | "leftOut"> {
  readonly ruleSets: readonly Omit<AppliedRuleSet, "attachments">[];
}

interface DeviationOptions {
  readonly entries: readonly RuleSetEntry[];
  readonly nowMs: number;
  /** Whether the text of a version that KV does not have is known, and is what the plan compares with. */
  readonly isKnown: (key: string, modifyIndex: number) => boolean;
}

/**
 * Compares what nodes say they have in force with KV, for keys that start with one of the prefixes, which are of scopes
 * that an attachment of the node is in. A rule set that is audited or has expired decides nothing: none is in force.
 * Nothing is found of a node that says nothing.
 */
export function createDeviationFinder(
  nodes: readonly NodeVersions[],
  { entries, nowMs, isKnown }: DeviationOptions,
): (node: string, prefixes: readonly string[]) => readonly Deviation[] {
  const byNode = new Map(nodes.map((versions) => [versions.node, viewVersions(versions)]));
  const entriesByPrefix = new Map(
    Array.from(
      Map.groupBy(entries, ({ key }) => prefixOf(key)),
      ([prefix, alike]) => [prefix, new Map(alike.map((entry) => [entry.key, entry]))],
    ),
  );
  return (node, prefixes) => {
    const view = byNode.get(node);
    if (!view) return [];
    return prefixes.flatMap((prefix) => {
      const inKv = entriesByPrefix.get(prefix);
      const keys = new Set([...(inKv?.keys() ?? []), ...(view.keysByPrefix.get(prefix) ?? [])]);
      return [...keys].flatMap((key) => findDeviation(key, { entry: inKv?.get(key), view, nowMs, isKnown }));
    });
  };
}

/** The same deviation of several nodes is one. Sorted by key. */
export function groupDeviations(
  found: readonly { readonly node: string; readonly deviation: Deviation }[],
): readonly OutOfStep[] {
  return [...Map.groupBy(found, ({ deviation }) => JSON.stringify(deviation)).values()]
    .flatMap((alike) => {
      const [first] = alike;
      return first ? [{ ...first.deviation, nodes: [...new Set(alike.map(({ node }) => node))].toSorted() }] : [];
    })
    .toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
}

export function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf("/") + 1);
}

type VersionsView = ReturnType<typeof viewVersions>;

function viewVersions({ isInSync, ruleSets, rejections, leftOut = [] }: NodeVersions) {
  const keys = ruleSets.map(({ key }) => key);
  return {
    applied: new Map(ruleSets.map((each) => [each.key, each])),
    keysByPrefix: Map.groupBy(keys, prefixOf),
    refused: new Map(rejections.map(({ key, modifyIndex }) => [key, modifyIndex])),
    isSettling: isInSync && !leftOut.includes("rejections"),
  };
}

interface VersionOptions extends Pick<DeviationOptions, "nowMs" | "isKnown"> {
  readonly entry: RuleSetEntry | undefined;
  readonly view: VersionsView;
}

function findDeviation(key: string, { entry, view, nowMs, isKnown }: VersionOptions): readonly Deviation[] {
  const applied = view.applied.get(key);
  const kvModifyIndex = entry?.modifyIndex ?? null;
  if (applied !== undefined && applied.modifyIndex === kvModifyIndex && entry?.parsed.ok === true) return [];
  const modifyIndex = applied?.state === "in-force" ? applied.modifyIndex : null;
  if (modifyIndex === null && !decides(entry, nowMs)) return [];
  const isRefused = entry !== undefined && view.refused.get(key) === entry.modifyIndex;
  const why = reasonFor({ entry, isRefused, modifyIndex });
  const instead = entry?.parsed.ok === true ? "kv" : "nothing";
  return [
    {
      key,
      why,
      modifyIndex,
      kvModifyIndex,
      isPassing: view.isSettling && why !== "invalid-in-kv" && why !== "refused",
      comparedWith: modifyIndex !== null && isKnown(key, modifyIndex) ? "in-force" : instead,
    },
  ];
}

function decides(entry: RuleSetEntry | undefined, nowMs: number): boolean {
  if (entry?.parsed.ok !== true) return false;
  return entry.parsed.value.mode === "enforce" && isInForce(entry.parsed.value, nowMs);
}

interface ReasonFacts {
  readonly entry: RuleSetEntry | undefined;
  readonly isRefused: boolean;
  readonly modifyIndex: number | null;
}

function reasonFor({ entry, isRefused, modifyIndex }: ReasonFacts): OutOfStepReason {
  if (entry === undefined) return "not-in-kv";
  if (!entry.parsed.ok) return "invalid-in-kv";
  if (isRefused) return "refused";
  return modifyIndex === null ? "not-in-force" : "other-version";
}
