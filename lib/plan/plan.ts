import type { RuleSet } from "../policy/rule-set.ts";
import type { RuntimeContext, RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { parseKey, type Scope } from "../policy/scope.ts";
import { compareVerdicts } from "../policy/verdict-changes.ts";
import { toEntry, type RuleSetEntry } from "../rules/entry.ts";
import { isSameRuleSet } from "../rules/proposal.ts";
import type { NodeStatus } from "../status/node-status.ts";
import { findAffected, type AffectedGroup, type AffectedMember } from "./affected.ts";
import { countAttachments, type AttachedNode } from "./attached.ts";
import { viewEffect, type EffectView } from "./effect-view.ts";
import { findNearScopes } from "./near-scopes.ts";
import { findOutOfStep, type OutOfStep } from "./out-of-step.ts";

/** What is known of the cluster. */
export interface KnownCluster {
  /** `status`: what every watcher says. `state`: what this node's own state says. */
  readonly source: "status" | "state";
  readonly nodes: readonly AttachedNode[];
  /** None where the source is the node's own state. */
  readonly statuses: readonly NodeStatus[];
  /** What KV has, keys below `<root>/rules/`. */
  readonly entries: readonly Omit<RuleSetEntry, "parsed">[];
}

/** What a rule set's next version would change. */
export interface Plan {
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
  /** Where nobody is in its scope: who may have been meant. */
  readonly near: readonly Scope[];
  readonly outOfStep: readonly OutOfStep[];
  /** What keys that apply to somebody in its scope start with. Sorted. */
  readonly prefixes: readonly string[];
}

/** What the change does, to attachments that it does the same to. */
export interface Effect extends EffectView {
  readonly members: readonly AffectedMember[];
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
  const usedPrefixes = new Set(cluster.entries.map((entry) => prefixOf(entry.key)));
  const { groups, prefixes } = findAffected(nodes, { scope, usedPrefixes });
  const isRelevant = (entry: Omit<RuleSetEntry, "parsed">) => entry.key === key || prefixes.has(prefixOf(entry.key));
  const entries = cluster.entries.filter(isRelevant).map(toEntry);
  const current = entries.find((entry) => entry.key === key);
  return {
    key,
    scope,
    current,
    after,
    isChange: !isSame(current, after),
    source,
    seen: { nodes: nodes.length, attachments: countAttachments(nodes.flatMap((node) => node.groups)) },
    effects: compareAll(groups, { entries, options }),
    near: groups.length === 0 ? findNearScopes(nodes, scope) : [],
    outOfStep: findOutOfStep(statuses, { entries, prefixes }),
    prefixes: [...prefixes].toSorted(),
  };
}

function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf("/") + 1);
}

function isSame(current: RuleSetEntry | undefined, after: RuleSet | undefined): boolean {
  if (current === undefined || after === undefined) return current === after;
  return current.parsed.ok && isSameRuleSet(current.parsed.value, after);
}

interface CompareOptions {
  readonly entries: readonly RuleSetEntry[];
  readonly options: PlanOptions;
}

function compareAll(groups: readonly AffectedGroup[], { entries, options }: CompareOptions): readonly Effect[] {
  const { key, scope, name, after, nowMs, maxSteps = MOST_STEPS } = options;
  const current = entries.flatMap(toRuntimeRuleSet);
  const others = current.filter((set) => set.key !== key);
  const next = after ? [...others, { key, scope, name, modifyIndex: 0, ruleSet: after }] : others;
  let stepsLeft = maxSteps;
  const effects = new Map<string, { members: AffectedMember[]; view: EffectView }>();
  for (const { subject, node, members } of groups) {
    const relevant = (ruleSets: readonly RuntimeRuleSet[]): RuntimeContext => ({
      runtimeRules: { node, ruleSets },
      nowMs,
    });
    const comparison = compareVerdicts(subject, {
      before: relevant(current),
      after: relevant(next),
      maxSteps: Math.min(MOST_STEPS_EACH, stepsLeft),
    });
    stepsLeft = Math.max(0, stepsLeft - comparison.steps);
    const view = viewEffect(comparison);
    const text = JSON.stringify(view);
    const alike = effects.get(text);
    if (alike) alike.members.push(...members);
    else effects.set(text, { members: [...members], view });
  }
  return [...effects.values()]
    .map(({ members, view }) => ({ members, ...view }))
    .toSorted((a, b) => countAttachments(b.members) - countAttachments(a.members));
}

function toRuntimeRuleSet({ key, modifyIndex, parsed }: RuleSetEntry): readonly RuntimeRuleSet[] {
  const place = parseKey(key);
  if (place.kind !== "rule-set" || !parsed.ok) return [];
  return [{ key, scope: place.scope, name: place.name, modifyIndex, ruleSet: parsed.value }];
}
