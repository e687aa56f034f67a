import type { Issue } from "../policy/issue.ts";
import type { ScopeHints } from "../plan/near-scopes.ts";
import { parseKey, type Scope } from "../policy/scope.ts";
import type { RuleSetEntry } from "../rules/entry.ts";
import type { AuditedConnection, NodeStatus, UnidentifiedGroup } from "./node-status.ts";
import { viewNode, type NodeView } from "./node-view.ts";
import { describeRemoved, describeRuleSet } from "./rule-set-status.ts";

/** What KV holds of what is asked about, and what all watchers say. */
export interface ClusterFacts {
  /** Below `<root>/rules/`. */
  readonly entries: readonly RuleSetEntry[];
  readonly statuses: readonly NodeStatus[];
  /** Status keys that are not of this format. */
  readonly unreadable: readonly UnreadableStatus[];
  /** Whether ACLs hide rule sets from who asks: then one that is not seen may be there. */
  readonly hidesRules: boolean;
  readonly hidesStatuses: boolean;
}

export interface UnreadableStatus {
  readonly node: string;
  readonly problem: string;
}

/** `outbound status --json`. */
export interface ClusterStatus {
  /** Sorted by key. */
  readonly ruleSets: readonly RuleSetStatus[];
  /** Keys that fit no scope: they apply to nothing. */
  readonly unknownKeys: readonly { readonly key: string; readonly reason: string }[];
  /** Sorted by name. */
  readonly nodes: readonly NodeSummary[];
  readonly unreadable: readonly UnreadableStatus[];
  readonly hidesRules: boolean;
  readonly hidesStatuses: boolean;
}

/**
 * `in-force`, `audit`, `expired`: every node that it applies to has this version, and it is so there. `pending`: not
 * every one has. `rejected`: what KV has is no rule set, or a watcher finds so. `unmatched`: it applies to no allocation
 * on any node. `unreported`: no watcher says anything. `removing`: gone from KV, and still in force somewhere.
 */
export type RuleSetState =
  | "in-force"
  | "audit"
  | "expired"
  | "pending"
  | "rejected"
  | "unmatched"
  | "unreported"
  | "removing";

export interface RuleSetStatus extends ScopeHints {
  /** Below `<root>/rules/`. */
  readonly key: string;
  readonly scope: Scope;
  /** Of the version in KV; null where it is removed. */
  readonly modifyIndex: number | null;
  readonly state: RuleSetState;
  /** Of the version in KV; null where that is no rule set. */
  readonly mode: "enforce" | "audit" | null;
  readonly expiresAt: string | null;
  /** That it applies to. Sorted by name. */
  readonly nodes: readonly RuleSetOnNode[];
  /** On all nodes together. */
  readonly attachments: number;
  /** Why it is rejected. */
  readonly issues: readonly Issue[];
  readonly audited: readonly AuditedOnNode[];
}

export interface RuleSetOnNode {
  readonly node: string;
  readonly attachments: number;
  /** `applied`: the version in KV. `pending`: another, or none. `rejected`: its watcher refuses the version in KV. */
  readonly state: "applied" | "pending" | "rejected";
  /** Of the version that this node has; null where it has none. */
  readonly modifyIndex: number | null;
  /** How this node has it. */
  readonly has: "in-force" | "audit" | "expired" | null;
}

export interface AuditedOnNode extends Omit<AuditedConnection, "key"> {
  readonly node: string;
  readonly namespace?: string;
  readonly job?: string;
  readonly group?: string;
}

export interface NodeSummary {
  readonly node: string;
  /** Of its watcher. */
  readonly version: string;
  readonly isInSync: boolean;
  readonly problems: readonly string[];
  readonly attachments: number;
  /** Those of which it is not known whose they are, by why. Absent: there are none. */
  readonly unidentified?: readonly UnidentifiedGroup[];
}

export interface ClusterOptions {
  /** Which keys are asked about. */
  readonly includes: (key: string) => boolean;
  /** Wall clock, milliseconds since the epoch. */
  readonly nowMs: number;
}

/**
 * What has become of rule sets. Whether one applies to a node is found from what is attached there, so that a node that
 * should have it and does not say so counts as one that has not.
 */
export function describeCluster(facts: ClusterFacts, { includes, nowMs }: ClusterOptions): ClusterStatus {
  const { unreadable, hidesRules, hidesStatuses } = facts;
  const nodes = facts.statuses.map(viewNode).toSorted((a, b) => compare(a.status.node, b.status.node));
  const entries = facts.entries.filter(({ key }) => includes(key));
  const ruleSets: RuleSetStatus[] = [];
  const unknownKeys: { key: string; reason: string }[] = [];
  for (const entry of entries) {
    const { key } = entry;
    const place = parseKey(key);
    if (place.kind === "unknown") unknownKeys.push({ key, reason: place.reason });
    if (place.kind === "rule-set") ruleSets.push(describeRuleSet(entry, { scope: place.scope, nodes, nowMs }));
  }
  // A key that may only be hidden must not pass for one that was removed.
  const removed = hidesRules ? [] : findRemoved(nodes, { known: new Set(entries.map(({ key }) => key)), includes });
  return {
    ruleSets: [...ruleSets, ...removed].toSorted((a, b) => compare(a.key, b.key)),
    unknownKeys: unknownKeys.toSorted((a, b) => compare(a.key, b.key)),
    nodes: nodes.map(({ status, attachments }) => {
      const { node, version, isInSync, problems, unidentified } = status;
      return { node, version, isInSync, problems, attachments, ...(unidentified && { unidentified }) };
    }),
    unreadable,
    hidesRules,
    hidesStatuses,
  };
}

function findRemoved(
  nodes: readonly NodeView[],
  { known, includes }: { readonly known: ReadonlySet<string> } & Pick<ClusterOptions, "includes">,
): readonly RuleSetStatus[] {
  const keys = new Set(nodes.flatMap(({ status }) => status.ruleSets.map(({ key }) => key)));
  return [...keys]
    .filter((key) => includes(key) && !known.has(key))
    .flatMap((key) => {
      const place = parseKey(key);
      return place.kind === "rule-set" ? [describeRemoved(key, { scope: place.scope, nodes })] : [];
    });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
