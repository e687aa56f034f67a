import { isInForce } from "../lib/policy/rule-set.ts";
import type { KnownKey } from "./known-key.ts";
import type { WatchState } from "./watch.ts";

/**
 * How it stands with a key of KV; each key is in one state.
 *
 * `enforced`, `audited`: its current version is in force. `pending`: it is read, and not yet in the kernel. `expired`:
 * its time is over. `kept`: its current version is refused, the last good one stays. `rejected`: its current version is
 * refused, and nothing of it is in force. `unscoped`: a key that fits no scope.
 */
export const RULE_SET_STATES = ["enforced", "audited", "pending", "expired", "kept", "rejected", "unscoped"] as const;

export type RuleSetState = (typeof RULE_SET_STATES)[number];

/** How many keys are in each state. */
export function countRuleSets(
  { snapshot, applied }: Pick<WatchState, "snapshot" | "applied">,
  nowMs: number,
): ReadonlyMap<RuleSetState, number> {
  const inKernel = new Set(applied?.runtimeRules.ruleSets);
  const counts = new Map<RuleSetState, number>(RULE_SET_STATES.map((state) => [state, 0]));
  for (const known of snapshot.known.values()) {
    const state = stateOf(known);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;

  function stateOf({ inForce, rejection }: KnownKey): RuleSetState {
    if (rejection) return inForce ? "kept" : "rejected";
    if (!inForce) return "unscoped";
    if (inForce.hasExpired === true || !isInForce(inForce.ruleSet, nowMs)) return "expired";
    if (!inKernel.has(inForce)) return "pending";
    return inForce.ruleSet.mode === "audit" ? "audited" : "enforced";
  }
}
