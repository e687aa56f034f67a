import { parseRuleSetJson } from "../../../lib/policy/rule-set.ts";
import { toEntry, type RuleSetEntry } from "../../../lib/rules/entry.ts";
import { describeNode, type NodeFacts } from "../../../lib/status/describe-node.ts";
import type { NodeStatus } from "../../../lib/status/node-status.ts";
import { parseKey } from "../../../lib/policy/scope.ts";
import type { RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";
import { attachmentOf, type AttachmentOverrides } from "../../support/attachment.ts";

export const NOW_MS = Date.parse("2026-11-24T12:00:00Z");
export const DENY = { host: "203.0.113.7", action: "DROP" };

/** What KV has: `[key, ModifyIndex, value]`. */
export function entriesOf(...keys: readonly (readonly [string, number, unknown])[]): readonly RuleSetEntry[] {
  return keys.map(([key, modifyIndex, value]) =>
    toEntry({ key, modifyIndex, value: new TextEncoder().encode(JSON.stringify(value)) }),
  );
}

export function ruleSetOf(key: string, modifyIndex: number, value: unknown = DENY): RuntimeRuleSet {
  const place = parseKey(key);
  const parsed = parseRuleSetJson(value);
  if (place.kind !== "rule-set" || !parsed.ok) throw new Error(`Cannot use ${key}: it is no rule set`);
  return { key, scope: place.scope, name: place.name, modifyIndex, ruleSet: parsed.value };
}

/** A node in sync with what KV has: job web twice, unless said otherwise. */
export function statusOf(
  node: string,
  { ruleSets = [], jobs = ["web", "web"], ...facts }: Partial<NodeFacts> & StatusOverrides = {},
): NodeStatus {
  const attachments = jobs.map((job, index) =>
    attachmentOf({ identity: { namespace: "default", job, group: "app" }, containerId: `${node}-${index}` }),
  );
  return describeNode({
    node,
    version: "0.1.0",
    isInSync: true,
    problems: [],
    attachments,
    runtimeRules: { node, ruleSets },
    nowMs: NOW_MS,
    rejections: [],
    ...facts,
  });
}

export interface StatusOverrides {
  readonly ruleSets?: readonly RuntimeRuleSet[];
  readonly jobs?: readonly string[];
}

export function attachmentsOf(...overrides: readonly AttachmentOverrides[]) {
  return overrides.map((each) => attachmentOf(each));
}
