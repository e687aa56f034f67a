import { attachmentScopes, scopePrefix } from "../policy/scope.ts";
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
  for (const { network, allocations, policy: _policy, ...identity } of status.groups) {
    for (const containerId of allocations) {
      for (const scope of attachmentScopes({ network, containerId, identity }, status.node)) {
        const prefix = scopePrefix(scope);
        countByPrefix.set(prefix, (countByPrefix.get(prefix) ?? 0) + 1);
      }
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
