import type { KnownCluster } from "../../../lib/plan/plan.ts";
import { attachedBy } from "../../../lib/plan/attached.ts";
import { toEntry } from "../../../lib/rules/entry.ts";
import type { AppliedRuleSet, AttachmentGroup, NodePolicy, NodeStatus } from "../../../lib/status/node-status.ts";
import type { Json } from "../../support/json.ts";

export const DROP_ALL: NodePolicy = { defaultAction: "DROP", staticRules: [], initialRules: [], jobRules: [] };

export interface NodeGiven extends Partial<Pick<NodeStatus, "policies" | "ruleSets" | "isInSync" | "rejections">> {
  readonly groups: readonly (Partial<AttachmentGroup> & Pick<AttachmentGroup, "allocations">)[];
}

/** Attachments of default/web/app to the network egress, unless said otherwise. */
export function statusOf(node: string, { groups, policies = [DROP_ALL], ...given }: NodeGiven): NodeStatus {
  const web = { network: "egress", namespace: "default", job: "web", group: "app", policy: 0 };
  return {
    node,
    version: "0.1.0",
    isInSync: true,
    problems: [],
    policies,
    groups: groups.map((group) => ({ ...web, ...group })),
    ruleSets: [],
    rejections: [],
    audited: [],
    ...given,
  };
}

/**
 * KV's entries have the ModifyIndex 1, 2 and so on. A text is a value as it is. Nodes have in force what KV has, where
 * no status says what they have.
 */
export function clusterOf(statuses: readonly NodeStatus[], kv: Readonly<Record<string, Json>> = {}): KnownCluster {
  const entries = Object.entries(kv).map(([key, value], index) => ({
    key,
    modifyIndex: index + 1,
    value: new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)),
  }));
  const isSilent = statuses.every(({ ruleSets, rejections }) => ruleSets.length + rejections.length === 0);
  const ruleSets = entries.filter((entry) => toEntry(entry).parsed.ok).map(appliedOf);
  return {
    source: "status",
    nodes: statuses.map(attachedBy),
    statuses: isSilent ? statuses.map((status) => ({ ...status, ruleSets })) : statuses,
    entries,
  };
}

export function appliedOf({ key, modifyIndex }: Pick<AppliedRuleSet, "key" | "modifyIndex">): AppliedRuleSet {
  return { key, modifyIndex, state: "in-force", attachments: 1 };
}
