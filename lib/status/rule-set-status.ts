import { attachedBy } from "../plan/attached.ts";
import { findScopeHints, NO_HINTS } from "../plan/near-scopes.ts";
import { isInForce, type RuleSet } from "../policy/rule-set.ts";
import { scopePrefix, type Scope } from "../policy/scope.ts";
import { formatTimestamp } from "../policy/timestamp.ts";
import type { RuleSetEntry } from "../rules/entry.ts";
import type { AuditedOnNode, RuleSetOnNode, RuleSetState, RuleSetStatus } from "./cluster-status.ts";
import type { NodeView } from "./node-view.ts";

export interface RuleSetContext {
  readonly scope: Scope;
  /** Sorted by name. */
  readonly nodes: readonly NodeView[];
}

/** What has become of a rule set that KV has. */
export function describeRuleSet(
  entry: RuleSetEntry,
  { scope, nodes, nowMs }: RuleSetContext & { readonly nowMs: number },
): RuleSetStatus {
  const { key, modifyIndex, parsed } = entry;
  const ruleSet = parsed.ok ? parsed.value : undefined;
  const expected = ruleSet && stateOf(ruleSet, nowMs);
  const onNodes = nodes.flatMap((node) => describeOnNode(node, { key, scope, modifyIndex, expected }));
  const state = toState({ expected, onNodes, isReported: nodes.length > 0 });
  return {
    key,
    scope,
    modifyIndex,
    state,
    mode: ruleSet?.mode ?? null,
    expiresAt: ruleSet?.expiresAt === undefined ? null : formatTimestamp(ruleSet.expiresAt),
    nodes: onNodes,
    attachments: countAttachments(onNodes),
    issues: parsed.ok ? issuesOf(nodes, { key, modifyIndex }) : parsed.issues,
    ...(state === "unmatched" ? hintsFor(scope, nodes) : NO_HINTS),
    audited: nodes.flatMap((node) => auditedOn(node, key)),
  };
}

/** What is left of a rule set that KV no longer has. */
export function describeRemoved(key: string, { scope, nodes }: RuleSetContext): RuleSetStatus {
  const onNodes = nodes.flatMap(({ status: { node }, applied }): readonly RuleSetOnNode[] => {
    const has = applied.get(key);
    return has ? [{ node, attachments: has.attachments, state: "pending", ...versionOf(has) }] : [];
  });
  return {
    key,
    scope,
    modifyIndex: null,
    state: "removing",
    mode: null,
    expiresAt: null,
    nodes: onNodes,
    attachments: countAttachments(onNodes),
    issues: [],
    ...NO_HINTS,
    audited: nodes.flatMap((node) => auditedOn(node, key)),
  };
}

function hintsFor(scope: Scope, nodes: readonly NodeView[]) {
  return findScopeHints(
    nodes.map(({ status }) => attachedBy(status)),
    scope,
  );
}

function stateOf(ruleSet: RuleSet, nowMs: number): NonNullable<RuleSetOnNode["has"]> {
  if (!isInForce(ruleSet, nowMs)) return "expired";
  return ruleSet.mode === "audit" ? "audit" : "in-force";
}

interface Expectation {
  readonly key: string;
  readonly scope: Scope;
  readonly modifyIndex: number;
  /** Undefined where what KV has is no rule set. */
  readonly expected: RuleSetOnNode["has"] | undefined;
}

/** Nothing where it does not apply to the node. */
function describeOnNode(view: NodeView, { key, scope, modifyIndex, expected }: Expectation): readonly RuleSetOnNode[] {
  const { status, countByPrefix, applied, rejections } = view;
  const has = applied.get(key);
  // A node with too much to tell may have left out who is attached.
  const attachments = countByPrefix.get(scopePrefix(scope)) ?? (status.leftOut?.includes("groups") && has?.attachments);
  if (attachments === undefined || attachments === false) return [];
  const isApplied = has !== undefined && has.modifyIndex === modifyIndex && has.state === expected;
  const isRejected = expected === undefined || rejections.get(key)?.modifyIndex === modifyIndex;
  const state = isApplied ? "applied" : isRejected ? "rejected" : "pending";
  return [{ node: status.node, attachments, state, ...versionOf(has) }];
}

function versionOf(has: { readonly modifyIndex: number; readonly state: RuleSetOnNode["has"] } | undefined) {
  return { modifyIndex: has?.modifyIndex ?? null, has: has?.state ?? null };
}

function toState({
  expected,
  onNodes,
  isReported,
}: {
  readonly expected: RuleSetOnNode["has"] | undefined;
  readonly onNodes: readonly RuleSetOnNode[];
  readonly isReported: boolean;
}): RuleSetState {
  if (!expected || onNodes.some(({ state }) => state === "rejected")) return "rejected";
  if (!isReported) return "unreported";
  if (onNodes.length === 0) return "unmatched";
  return onNodes.every(({ state }) => state === "applied") ? expected : "pending";
}

/** A watcher of another version may refuse what this one understands. */
function issuesOf(nodes: readonly NodeView[], { key, modifyIndex }: Pick<Expectation, "key" | "modifyIndex">) {
  const rejection = nodes.map((node) => node.rejections.get(key)).find((each) => each?.modifyIndex === modifyIndex);
  return rejection?.issues ?? [];
}

function auditedOn({ status, audited }: NodeView, key: string): readonly AuditedOnNode[] {
  return (audited.get(key) ?? []).map(({ key: _key, ...connection }) => {
    const group = status.groups.find(({ allocations }) => allocations.includes(connection.allocation));
    const { namespace, job, group: name } = group ?? {};
    return {
      node: status.node,
      ...connection,
      ...(namespace !== undefined && { namespace }),
      ...(job !== undefined && { job }),
      ...(name !== undefined && { group: name }),
    };
  });
}

function countAttachments(onNodes: readonly RuleSetOnNode[]): number {
  return onNodes.reduce((sum, { attachments }) => sum + attachments, 0);
}
