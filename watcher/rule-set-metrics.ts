import { Gauge, type Registry } from "prom-client";
import { expiringWithin, nextExpiry } from "../lib/policy/expiry.ts";
import { EXPIRY_NOTICE_MS } from "./expiry-warnings.ts";
import { countRuleSets } from "./rule-set-states.ts";
import { rejections } from "./snapshot.ts";
import type { WatchState } from "./watch.ts";

/** What this node knows of rule sets; call to bring it up to date. */
export function createRuleSetMetrics(registry: Registry): (state: WatchState, nowMs: number) => void {
  const registers = [registry];
  const ruleSets = new Gauge({
    name: "outbound_rule_sets",
    help: "Keys of KV that this node reads, by what has become of them",
    labelNames: ["state"],
    registers,
  });
  const rejected = new Gauge({
    name: "outbound_rejected_rule_sets",
    help: "Rule sets whose current version is refused",
    registers,
  });
  const expiring = new Gauge({
    name: "outbound_expiring_rule_sets",
    help: "Rule sets that expire within ten minutes",
    registers,
  });
  const next = new Gauge({
    name: "outbound_next_expiry_timestamp_seconds",
    help: "When the next rule set expires, in seconds since the epoch; 0 where none does",
    registers,
  });
  return (state, nowMs) => {
    const { snapshot } = state;
    for (const [name, count] of countRuleSets(state, nowMs)) ruleSets.set({ state: name }, count);
    rejected.set(rejections(snapshot).length);
    expiring.set(expiringWithin(snapshot.runtimeRules, { nowMs, withinMs: EXPIRY_NOTICE_MS }).length);
    next.set((nextExpiry(snapshot.runtimeRules, nowMs) ?? 0) / 1000);
  };
}
