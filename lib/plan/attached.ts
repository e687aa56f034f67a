import type { Attachment, Identity } from "../policy/attachment.ts";
import type { NodePolicy, NodeStatus } from "../status/node-status.ts";

/** What is attached on one node, as far as it decides packets. */
export interface AttachedNode {
  readonly node: string;
  readonly groups: readonly AttachedGroup[];
}

/** Attachments that differ only in their allocation. */
export interface AttachedGroup {
  readonly network: string;
  readonly identity: Identity;
  readonly policy: NodePolicy;
  /** One that is attached twice is there twice. */
  readonly allocations: readonly string[];
}

/** What a node's watcher says of it. A group that points to no policy is left out: nothing is known of it. */
export function attachedBy({ node, groups, policies }: NodeStatus): AttachedNode {
  return {
    node,
    groups: groups.flatMap(({ network, allocations, policy: at, ...identity }) => {
      const policy = policies[at];
      return policy ? [{ network, identity, policy, allocations }] : [];
    }),
  };
}

/** What a node's own state says. */
export function attachedHere(node: string, attachments: readonly Attachment[]): AttachedNode {
  return {
    node,
    groups: attachments.map(({ network, identity, containerId, jobRules, policy }) => {
      const { defaultAction, staticRules, initialRules } = policy;
      return {
        network,
        identity,
        policy: { defaultAction, staticRules, initialRules, jobRules },
        allocations: [containerId],
      };
    }),
  };
}

export function countAttachments(groups: readonly Pick<AttachedGroup, "allocations">[]): number {
  return groups.reduce((sum, { allocations }) => sum + allocations.length, 0);
}
