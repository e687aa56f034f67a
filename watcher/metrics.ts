import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "../lib/host/clock.ts";
import { expiringWithin, nextExpiry } from "../lib/policy/expiry.ts";
import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";
import { EXPIRY_NOTICE_MS } from "./expiry-warnings.ts";
import { rejections } from "./snapshot.ts";
import { createTrafficMetrics, type TrafficPorts } from "./traffic-metrics.ts";
import type { PassObservation, WatchState } from "./watch.ts";

export interface Metrics {
  readonly observe: (observation: PassObservation) => void;
  /** The text format of Prometheus. */
  readonly render: (state: WatchState) => Promise<string>;
  readonly contentType: string;
}

export function createMetrics(ports: TrafficPorts & { readonly clock: Clock }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const passes = new Histogram({
    name: "outbound_pass_seconds",
    help: "Time from taking the lock to the kernel's commit, of passes that changed something",
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  });
  const failures = new Counter({
    name: "outbound_pass_failures_total",
    help: "Passes that the kernel refused",
    registers,
  });
  const drift = new Counter({
    name: "outbound_drift_repairs_total",
    help: "Times that chains changed by others were repaired",
    labelNames: ["family"],
    registers,
  });
  // An alert on a series sees nothing until the series is there.
  for (const family of ports.families) drift.inc({ family: `ipv${family}` }, 0);
  const gauges = {
    attachments: new Gauge({ name: "outbound_attachments", help: "Attachments on this node", registers }),
    unidentified: new Gauge({
      name: "outbound_attachments_without_identity",
      help: "Attachments of which it is not known whose they are: no rules of their namespace, job or group apply",
      registers,
    }),
    ruleSets: new Gauge({ name: "outbound_rule_sets", help: "Rule sets known to this node", registers }),
    rejections: new Gauge({
      name: "outbound_rejected_rule_sets",
      help: "Rule sets whose current version is refused",
      registers,
    }),
    expiring: new Gauge({
      name: "outbound_expiring_rule_sets",
      help: "Rule sets that expire within ten minutes",
      registers,
    }),
    nextExpiry: new Gauge({
      name: "outbound_next_expiry_timestamp_seconds",
      help: "When the next rule set expires, in seconds since the epoch; 0 where none does",
      registers,
    }),
    inSync: new Gauge({ name: "outbound_in_sync", help: "1 when KV is read and in force, 0 otherwise", registers }),
    consulFailures: new Gauge({
      name: "outbound_consul_consecutive_failures",
      help: "Failed queries in a row, of the prefix that has the most",
      registers,
    }),
  };
  const traffic = createTrafficMetrics(registry, ports);
  return {
    contentType: registry.contentType,
    observe: ({ report, seconds }) => {
      if (!report) failures.inc();
      else if (report.changed.length > 0) passes.observe(seconds);
      for (const family of report?.drifted ?? []) drift.inc({ family: `ipv${family}` });
    },
    render: async (state) => {
      gauges.attachments.set(state.attachments.length);
      gauges.unidentified.set(state.unidentified.length);
      gauges.ruleSets.set(state.snapshot.runtimeRules.ruleSets.length);
      gauges.rejections.set(rejections(state.snapshot).length);
      setExpiry(state.snapshot.runtimeRules, ports.clock.nowMs());
      gauges.inSync.set(state.isInSync ? 1 : 0);
      gauges.consulFailures.set(Math.max(0, ...state.prefixes.map(({ consecutiveFailures }) => consecutiveFailures)));
      const { applied, attachments } = state;
      if (applied) await traffic.refresh({ attachments, runtimeRules: applied.runtimeRules });
      return registry.metrics();
    },
  };

  function setExpiry(rules: RuntimeRules, nowMs: number): void {
    gauges.expiring.set(expiringWithin(rules, { nowMs, withinMs: EXPIRY_NOTICE_MS }).length);
    gauges.nextExpiry.set((nextExpiry(rules, nowMs) ?? 0) / 1000);
  }
}
