import { writeRuntimeRulesCache } from "../../lib/host/runtime-rules-cache.ts";
import { parseRuleSetJson } from "../../lib/policy/rule-set.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../../lib/policy/runtime-rules.ts";
import { parseKey } from "../../lib/policy/scope.ts";
import { outboundPath } from "./cni/outbound.ts";
import { type Json, parseOwnJson } from "./json.ts";
import type { ClientNode } from "./network-namespace.ts";

/** Values by their key below `outbound/rules/`. */
export type RuleSets = Readonly<Record<string, Json>>;

/** Makes these the runtime rules that the node last knew, as its watcher would, for the next ADD or pass. */
export function knowRuntimeRules(node: ClientNode, ruleSets: RuleSets): void {
  writeRuntimeRulesCache(node.cacheDir, { rules: toRuntimeRules(node.name, ruleSets), nowMs: Date.now() });
}

/** One pass over the whole node with these runtime rules, as its watcher would do it. */
export async function applyRuntimeRules(node: ClientNode, ruleSets: RuleSets): Promise<void> {
  knowRuntimeRules(node, ruleSets);
  const { stdout } = await node.exec(
    [outboundPath, "reconcile", "--json", "--state-dir", node.stateDir, "--cache-dir", node.cacheDir],
    { env: { CNI_COMMAND: undefined } },
  );
  const { isSettled } = parseOwnJson<{ readonly isSettled: boolean }>(stdout);
  if (!isSettled) throw new Error(`Cannot apply runtime rules: ${stdout}`);
}

function toRuntimeRules(node: string, ruleSets: RuleSets): RuntimeRules {
  const entries = Object.entries(ruleSets).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { node, ruleSets: entries.map(([key, value], index) => toRuleSet(key, { value, modifyIndex: index + 1 })) };
}

function toRuleSet(key: string, { value, modifyIndex }: { value: Json; modifyIndex: number }): RuntimeRuleSet {
  const parsedKey = parseKey(key);
  const parsed = parseRuleSetJson(value);
  if (parsedKey.kind !== "rule-set") throw new Error(`Cannot use key: ${key} is no rule set's`);
  if (!parsed.ok) throw new Error(`Cannot use value of ${key}: ${JSON.stringify(parsed.issues)}`);
  const { scope, name } = parsedKey;
  return { key, scope, name, modifyIndex, ruleSet: parsed.value };
}
