import type { RuleSet } from "../policy/rule-set.ts";
import type { RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { parseKey, type Scope } from "../policy/scope.ts";
import { compareVerdicts } from "../policy/verdict-changes.ts";
import { toEntry, type RuleSetEntry } from "../rules/entry.ts";
import { isSameRuleSet } from "../rules/proposal.ts";
import { findAffected, type AffectedGroup, type AffectedMember } from "./affected.ts";
import { countAttachments, type AttachedNode } from "./attached.ts";
import { EffectList } from "./effect-list.ts";
import { viewEffect, type EffectView } from "./effect-view.ts";
import { findScopeHints, NO_HINTS, type ScopeHints } from "./near-scopes.ts";
import { createDeviationFinder, groupDeviations, prefixOf, type NodeVersions, type OutOfStep } from "./out-of-step.ts";

/** What is known of the cluster. */
export interface KnownCluster {
  /** `status`: what every watcher says. `state`: what this node's own state says. */
  readonly source: "status" | "state";
  readonly nodes: readonly AttachedNode[];
  /** Which versions nodes have in force, as far as it is known. */
  readonly statuses: readonly NodeVersions[];
  /** What KV has, keys below `<root>/rules/`. */
  readonly entries: readonly Omit<RuleSetEntry, "parsed">[];
  /** Versions that this node's watcher keeps, and that KV may not have any more. */
  readonly cached?: readonly Omit<RuleSetEntry, "parsed">[];
}

/** What a rule set's next version would change. */
export interface Plan extends ScopeHints {
  readonly key: string;
  readonly scope: Scope;
  /** What KV has now; undefined where there is no such key. */
  readonly current: RuleSetEntry | undefined;
  /** Undefined: it is removed. */
  readonly after: RuleSet | undefined;
  /** Whether writing it would change what KV says. */
  readonly isChange: boolean;
  readonly source: KnownCluster["source"];
  /** How many of them were looked at. */
  readonly seen: { readonly nodes: number; readonly attachments: number };
  /** By what it does to them. Everyone in the rule set's scope is in one of them. */
  readonly effects: readonly Effect[];
  readonly outOfStep: readonly OutOfStep[];
  /** What keys that apply to somebody in its scope start with. Sorted. */
  readonly prefixes: readonly string[];
}

/**
 * What the change does, to attachments that it does the same to. It is not complete either where their nodes have
 * something else in force than what was compared.
 */
export interface Effect extends EffectView {
  readonly members: readonly AffectedMember[];
  /** Rule sets for them of which their nodes have something else in force. */
  readonly outOfStep: readonly OutOfStep[];
}

export interface PlanOptions {
  readonly key: string;
  readonly scope: Scope;
  readonly name: string;
  /** Undefined: it is removed. */
  readonly after: RuleSet | undefined;
  readonly nowMs: number;
  /** A bound on time for all of it, as `compareVerdicts` counts. */
  readonly maxSteps?: number;
}

const MOST_STEPS = 50_000_000;
/** No comparison takes all that is left for the others. */
const MOST_STEPS_EACH = 10_000_000;

/** Compares what KV has now with what it would have. Nothing is written. */
export function makePlan(cluster: KnownCluster, options: PlanOptions): Plan {
  const { key, scope, after } = options;
  const { nodes, statuses, source } = cluster;
  const used = [...cluster.entries, ...statuses.flatMap(({ ruleSets }) => ruleSets)];
  const usedPrefixes = new Set(used.map((each) => prefixOf(each.key)));
  const { groups, prefixes } = findAffected(nodes, { scope, usedPrefixes });
  const isRelevant = (entry: Omit<RuleSetEntry, "parsed">) => entry.key === key || prefixes.has(prefixOf(entry.key));
  const entries = cluster.entries.filter(isRelevant).map(toEntry);
  const current = entries.find((entry) => entry.key === key);
  const effects = compareAll(groups, { cluster, entries, options });
  return {
    key,
    scope,
    current,
    after,
    isChange: !isSame(current, after),
    source,
    seen: { nodes: nodes.length, attachments: countAttachments(nodes.flatMap((node) => node.groups)) },
    effects,
    ...(groups.length === 0 ? findScopeHints(nodes, scope) : NO_HINTS),
    outOfStep: groupDeviations(
      effects.flatMap(({ outOfStep }) =>
        outOfStep.flatMap(({ nodes: where, ...deviation }) => where.map((node) => ({ node, deviation }))),
      ),
    ),
    prefixes: [...prefixes].toSorted(),
  };
}

function isSame(current: RuleSetEntry | undefined, after: RuleSet | undefined): boolean {
  if (current === undefined || after === undefined) return current === after;
  return current.parsed.ok && isSameRuleSet(current.parsed.value, after);
}

interface CompareOptions {
  readonly cluster: KnownCluster;
  readonly entries: readonly RuleSetEntry[];
  readonly options: PlanOptions;
}

function compareAll(
  groups: readonly AffectedGroup[],
  { cluster, entries, options }: CompareOptions,
): readonly Effect[] {
  const { key, scope, name, after, nowMs, maxSteps = MOST_STEPS } = options;
  const current = entries.flatMap(toRuntimeRuleSet);
  const others = current.filter((set) => set.key !== key);
  const next = after ? [...others, { key, scope, name, modifyIndex: 0, ruleSet: after }] : others;
  const kept = findKept(cluster, key);
  const deviationsOn = createDeviationFinder(cluster.statuses, {
    entries,
    nowMs,
    isKnown: (known, modifyIndex) => known === key && kept.has(modifyIndex),
  });
  let stepsLeft = maxSteps;
  const effects = new EffectList(key);
  for (const { subject, node, members, prefixes } of groups) {
    const located = members.map((member) => ({ member, deviations: deviationsOn(member.node, prefixes) }));
    const byBefore = Map.groupBy(located, ({ deviations }) => {
      const own = deviations.find((deviation) => deviation.key === key);
      return own?.comparedWith === "in-force" ? own.modifyIndex : null;
    });
    for (const [modifyIndex, alike] of byBefore) {
      const before = modifyIndex === null ? current : [...others, ...(kept.get(modifyIndex) ?? [])];
      const comparison = compareVerdicts(subject, {
        before: { runtimeRules: { node, ruleSets: before }, nowMs },
        after: { runtimeRules: { node, ruleSets: next }, nowMs },
        maxSteps: Math.min(MOST_STEPS_EACH, stepsLeft),
      });
      stepsLeft = Math.max(0, stepsLeft - comparison.steps);
      effects.add(viewEffect(comparison), alike);
    }
  }
  return effects.list();
}

/** Versions of a rule set by ModifyIndex. */
function findKept({ cached = [] }: KnownCluster, key: string): ReadonlyMap<number, readonly RuntimeRuleSet[]> {
  const versions = cached.filter((entry) => entry.key === key).flatMap((entry) => toRuntimeRuleSet(toEntry(entry)));
  return new Map(versions.map((version) => [version.modifyIndex, [version]]));
}

function toRuntimeRuleSet({ key, modifyIndex, parsed }: RuleSetEntry): readonly RuntimeRuleSet[] {
  const place = parseKey(key);
  if (place.kind !== "rule-set" || !parsed.ok) return [];
  return [{ key, scope: place.scope, name: place.name, modifyIndex, ruleSet: parsed.value }];
}
