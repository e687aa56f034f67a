import type { Attachment } from "../policy/attachment.ts";
import type { Unidentified } from "../policy/identity-problem.ts";
import type { Issue } from "../policy/issue.ts";
import { formatRule, type Rule } from "../policy/rule.ts";
import { isInForce } from "../policy/rule-set.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { attachmentScopes, scopePrefix } from "../policy/scope.ts";
import { describeUnidentified } from "./describe-unidentified.ts";
import type {
  AppliedRuleSet,
  AttachmentGroup,
  AuditedConnection,
  NodePolicy,
  NodeRejection,
  NodeStatus,
} from "./node-status.ts";

/** What a watcher knows of its node. */
export interface NodeFacts {
  readonly node: string;
  readonly version: string;
  readonly isInSync: boolean;
  /** What keeps it from being in sync. */
  readonly problems: readonly string[];
  readonly attachments: readonly DescribedAttachment[];
  /** What the last good pass put into the kernel; none before the first. */
  readonly runtimeRules: RuntimeRules | undefined;
  /** When that pass began, on the wall clock. */
  readonly nowMs: number;
  readonly rejections: readonly RejectedKey[];
  readonly audited?: readonly AuditedConnection[];
  readonly unidentified?: readonly Unidentified[];
}

export type DescribedAttachment = Pick<Attachment, "network" | "containerId" | "identity" | "policy" | "jobRules">;

export interface RejectedKey {
  readonly key: string;
  readonly modifyIndex: number;
  readonly keptModifyIndex?: number;
  readonly issues: readonly Issue[];
}

/** More are for `outbound rules validate`. */
const MOST_ISSUES = 5;
const LONGEST_MESSAGE = 300;
const MOST_PROBLEMS = 20;

/**
 * What a watcher says of its node. A rule set or a rejection that applies to none of its attachments is left out, so
 * that a change is told only by the nodes that it concerns. Equal facts give equal statuses, in whatever order they are.
 */
export function describeNode(facts: NodeFacts): NodeStatus {
  const { node, version, isInSync, problems, attachments, runtimeRules, nowMs, rejections } = facts;
  const { audited = [], unidentified = [] } = facts;
  const attachmentsOf = countByPrefix(attachments, node);
  return {
    node,
    version,
    isInSync,
    problems: [...new Set(problems.map(shorten))].toSorted().slice(0, MOST_PROBLEMS),
    ...describeGroups(attachments),
    ruleSets: (runtimeRules?.ruleSets ?? [])
      .flatMap((each) => describeRuleSet(each, { attachmentsOf, nowMs }))
      .toSorted(byKey),
    rejections: rejections
      .filter(({ key }) => attachmentsOf.has(prefixOf(key)))
      .map(describeRejection)
      .toSorted(byKey),
    audited,
    ...(unidentified.length > 0 && { unidentified: describeUnidentified(unidentified) }),
  };
}

/** How many attachments are in each scope that any is in, by what the scope's keys start with. */
function countByPrefix(attachments: readonly DescribedAttachment[], node: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const attachment of attachments) {
    for (const scope of attachmentScopes(attachment, node)) {
      const prefix = scopePrefix(scope);
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    }
  }
  return counts;
}

function describeRuleSet(
  { key, modifyIndex, ruleSet, hasExpired }: RuntimeRuleSet,
  { attachmentsOf, nowMs }: { readonly attachmentsOf: ReadonlyMap<string, number>; readonly nowMs: number },
): readonly AppliedRuleSet[] {
  const attachments = attachmentsOf.get(prefixOf(key));
  if (attachments === undefined) return [];
  const isOver = hasExpired === true || !isInForce(ruleSet, nowMs);
  const state = isOver ? "expired" : ruleSet.mode === "audit" ? "audit" : "in-force";
  return [{ key, modifyIndex, state, attachments }];
}

function describeRejection({ key, modifyIndex, keptModifyIndex, issues }: RejectedKey): NodeRejection {
  return {
    key,
    modifyIndex,
    ...(keptModifyIndex !== undefined && { keptModifyIndex }),
    issues: issues
      .slice(0, MOST_ISSUES)
      .map(({ path, message }) => ({ path: shorten(path), message: shorten(message) })),
  };
}

function describeGroups(attachments: readonly DescribedAttachment[]): Pick<NodeStatus, "policies" | "groups"> {
  const textOf = createRulesText();
  const policies = new Map<string, NodePolicy>();
  const groups = new Map<
    string,
    { readonly policy: string; readonly like: DescribedAttachment; allocations: string[] }
  >();
  for (const attachment of attachments) {
    const { network, identity, containerId } = attachment;
    const described = policyOf(attachment);
    const { defaultAction, staticRules, initialRules, jobRules } = described;
    const policy = [defaultAction, textOf(staticRules), textOf(initialRules), textOf(jobRules)].join("\n");
    policies.set(policy, policies.get(policy) ?? described);
    const { namespace = null, job = null, group = null } = identity;
    const key = JSON.stringify([namespace, job, group, network, policy]);
    const known = groups.get(key);
    if (known) known.allocations.push(containerId);
    else groups.set(key, { policy, like: attachment, allocations: [containerId] });
  }
  const order = [...policies.keys()].toSorted();
  return {
    policies: order.flatMap((policy) => policies.get(policy) ?? []),
    groups: [...groups]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { policy, like, allocations }]) => describeGroup(like, { policy: order.indexOf(policy), allocations })),
  };
}

function describeGroup(
  { network, identity: { namespace, job, group } }: DescribedAttachment,
  { policy, allocations }: Pick<AttachmentGroup, "policy" | "allocations">,
): AttachmentGroup {
  return {
    network,
    ...(namespace !== undefined && { namespace }),
    ...(job !== undefined && { job }),
    ...(group !== undefined && { group }),
    policy,
    allocations: allocations.toSorted(),
  };
}

function policyOf({ policy, jobRules }: DescribedAttachment): NodePolicy {
  const { defaultAction, staticRules, initialRules } = policy;
  return { defaultAction, staticRules, initialRules, jobRules };
}

/** Most attachments share their lists of rules, so each is written down once. */
function createRulesText(): (rules: readonly Rule[]) => string {
  const texts = new Map<readonly Rule[], string>();
  return (rules) => {
    const text = texts.get(rules) ?? JSON.stringify(rules.map(formatRule));
    texts.set(rules, text);
    return text;
  };
}

function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf("/") + 1);
}

function shorten(text: string): string {
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text;
}

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : Number(a.key > b.key);
}
