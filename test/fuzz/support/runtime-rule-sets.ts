import * as fc from "fast-check";
import { parseRuleSetJson } from "../../../lib/policy/rule-set.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";
import { formatKey, type Scope } from "../../../lib/policy/scope.ts";
import { ruleSetJson } from "./rule-json.ts";

export const NODE = "n1";
export const NOW_MS = Date.parse("2026-11-24T12:00:00Z");

/** Those that the containers of the campaigns are in, and near misses. */
export const SCOPES: readonly Scope[] = [
  { kind: "global" },
  { kind: "node", node: NODE },
  { kind: "network", network: "egress" },
  { kind: "namespace", namespace: "default" },
  { kind: "job", namespace: "default", job: "web" },
  { kind: "group", namespace: "default", job: "web", group: "app" },
  { kind: "alloc", namespace: "default", alloc: "alloc-1" },
  { kind: "node", node: "n2" },
  { kind: "network", network: "other" },
  { kind: "namespace", namespace: "other" },
  { kind: "job", namespace: "other", job: "web" },
  { kind: "alloc", namespace: "other", alloc: "alloc-1" },
];

/** As a watcher would have them: valid, each key once, sorted. */
export function runtimeRules(maxLength = 4): fc.Arbitrary<RuntimeRules> {
  const entries = fc.record({
    scope: fc.constantFrom(...SCOPES),
    name: fc.constantFrom("a", "b"),
    value: ruleSetJson(),
  });
  return fc.uniqueArray(entries, { maxLength, selector: ({ scope, name }) => formatKey(scope, name) }).map((sets) => ({
    node: NODE,
    ruleSets: sets
      .flatMap(({ scope, name, value }, index): readonly RuntimeRuleSet[] => {
        const parsed = parseRuleSetJson(value);
        if (!parsed.ok) return [];
        return [{ key: formatKey(scope, name), scope, name, modifyIndex: index + 1, ruleSet: parsed.value }];
      })
      .toSorted((left, right) => (left.key < right.key ? -1 : 1)),
  }));
}
