import type { KnownCluster } from "../../../lib/plan/plan.ts";
import { attachedBy } from "../../../lib/plan/attached.ts";
import type { AttachmentGroup, NodePolicy, NodeStatus } from "../../../lib/status/node-status.ts";
import type { Json } from "../../support/json.ts";

export const DROP_ALL: NodePolicy = { defaultAction: "DROP", staticRules: [], initialRules: [], jobRules: [] };

export interface NodeGiven extends Partial<Pick<NodeStatus, "policies" | "ruleSets">> {
  readonly groups: readonly (Partial<AttachmentGroup> & Pick<AttachmentGroup, "allocations">)[];
}

/** Attachments of default/web/app to the network egress, unless said otherwise. */
export function statusOf(node: string, { groups, policies = [DROP_ALL], ruleSets = [] }: NodeGiven): NodeStatus {
  const web = { network: "egress", namespace: "default", job: "web", group: "app", policy: 0 };
  return {
    node,
    version: "0.1.0",
    isInSync: true,
    problems: [],
    policies,
    groups: groups.map((group) => ({ ...web, ...group })),
    ruleSets,
    rejections: [],
    audited: [],
  };
}

/** KV's entries have the ModifyIndex 1, 2 and so on. A text is a value as it is. */
export function clusterOf(statuses: readonly NodeStatus[], kv: Readonly<Record<string, Json>> = {}): KnownCluster {
  return {
    source: "status",
    nodes: statuses.map(attachedBy),
    statuses,
    entries: Object.entries(kv).map(([key, value], index) => ({
      key,
      modifyIndex: index + 1,
      value: new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)),
    })),
  };
}
