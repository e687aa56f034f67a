import { attachmentScopes, scopePrefix, type Scope } from "../policy/scope.ts";
import type { AppliedRuleSet, AuditedConnection, NodeRejection, NodeStatus } from "./node-status.ts";

/** What a watcher says of its node, made ready to be asked. */
export interface NodeView {
  readonly status: NodeStatus;
  readonly attachments: number;
  /** How many attachments are in each scope that any is in, by what the scope's keys start with. */
  readonly countByPrefix: ReadonlyMap<string, number>;
  readonly applied: ReadonlyMap<string, AppliedRuleSet>;
  readonly rejections: ReadonlyMap<string, NodeRejection>;
  readonly audited: ReadonlyMap<string, readonly AuditedConnection[]>;
}

export function viewNode(status: NodeStatus): NodeView {
  const countByPrefix = new Map<string, number>();
  const count = (scope: Scope, more: number): void => {
    const prefix = scopePrefix(scope);
    countByPrefix.set(prefix, (countByPrefix.get(prefix) ?? 0) + more);
  };
  for (const { network, allocations, policy: _policy, ...identity } of status.groups) {
    if (allocations.length === 0) continue;
    // A group's own scopes are named once, however many allocations it says that it has.
    for (const scope of attachmentScopes({ network, containerId: "", identity }, status.node)) {
      count(scope, allocations.length);
    }
    const { namespace = "" } = identity;
    for (const alloc of namespace === "" ? [] : allocations) {
      if (alloc !== "") count({ kind: "alloc", namespace, alloc }, 1);
    }
  }
  return {
    status,
    attachments: status.groups.reduce((sum, { allocations }) => sum + allocations.length, 0),
    countByPrefix,
    applied: new Map(status.ruleSets.map((each) => [each.key, each])),
    rejections: new Map(status.rejections.map((each) => [each.key, each])),
    audited: Map.groupBy(status.audited, ({ key }) => key),
  };
}
