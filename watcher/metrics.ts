import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "../lib/host/clock.ts";
import type { Iptables, RulesetReader } from "../lib/host/iptables.ts";
import type { PluginRunReader } from "../lib/host/plugin-runs.ts";
import { createConsulMetrics, type ConsulMetrics } from "./consul-metrics.ts";
import { createPluginMetrics } from "./plugin-metrics.ts";
import { createRestoreMetrics, type RestoreMetricsPorts } from "./restore-metrics.ts";
import { createRuleSetMetrics } from "./rule-set-metrics.ts";
import { createSyncMetrics } from "./sync-metrics.ts";
import { createTrafficMetrics, type TrafficPorts } from "./traffic-metrics.ts";
import { countUnfiltered } from "./unfiltered.ts";
import type { PassObservation, WatchState } from "./watch.ts";

export interface Metrics extends Pick<ConsulMetrics, "countRules" | "countStatus"> {
  readonly observe: (observation: PassObservation) => void;
  /** To be called whenever the state may have changed. */
  readonly changed: (state: WatchState) => void;
  readonly measureRestores: (iptables: Iptables) => Iptables;
  /** The text format of Prometheus. */
  readonly render: (state: WatchState) => Promise<string>;
  readonly contentType: string;
}

export interface MetricsPorts extends TrafficPorts, RestoreMetricsPorts {
  readonly iptables: Pick<RulesetReader, "save" | "has">;
  readonly clock: Clock;
  readonly version: string;
  readonly pluginRuns: PluginRunReader;
}

/** What `docs/metrics.md` describes. */
export function createMetrics(ports: MetricsPorts, registry = new Registry()): Metrics {
  const { version, variant, families, iptables, clock } = ports;
  const registers = [registry];
  const info = new Gauge({
    name: "outbound_build_info",
    help: "1; its labels say what runs",
    labelNames: ["version", "variant"],
    registers,
  });
  info.set({ version, variant }, 1);
  const start = new Gauge({
    name: "outbound_start_timestamp_seconds",
    help: "When the watcher started, in seconds since the epoch",
    registers,
  });
  start.set(clock.nowMs() / 1000);
  const showSync = createSyncMetrics(registry, ports);
  const passes = new Histogram({
    name: "outbound_pass_seconds",
    help: "Time from asking for the node's lock to the kernel's commit, of passes that changed something",
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  });
  const failures = new Counter({
    name: "outbound_pass_failures_total",
    help: "Passes that failed; the kernel is then as the last good one left it",
    registers,
  });
  const drift = new Counter({
    name: "outbound_drift_repairs_total",
    help: "Times that chains changed by others were repaired",
    labelNames: ["family"],
    registers,
  });
  // An alert on a series sees nothing until the series is there.
  for (const family of families) drift.inc({ family: `ipv${family}` }, 0);
  const attachments = new Gauge({ name: "outbound_attachments", help: "Attachments on this node", registers });
  const unidentified = new Gauge({
    name: "outbound_attachments_without_identity",
    help: "Attachments of which it is not known whose they are: no rules of their namespace, job or group apply",
    registers,
  });
  const unfiltered = new Gauge({
    name: "outbound_unfiltered_attachments",
    help: "Attachments with an address of a family whose iptables programs are missing: their rules follow nothing",
    registers,
  });
  const unreadable = new Gauge({
    name: "outbound_unreadable_attachments",
    help: "Attachments whose record cannot be read: their chains stay as they are until DEL",
    registers,
  });
  const measureRestores = createRestoreMetrics(registry, ports);
  const showRuleSets = createRuleSetMetrics(registry);
  const consul = createConsulMetrics(registry);
  const showPluginRuns = createPluginMetrics(registry, ports.pluginRuns);
  const traffic = createTrafficMetrics(registry, ports);
  return {
    contentType: registry.contentType,
    measureRestores,
    countRules: consul.countRules,
    countStatus: consul.countStatus,
    changed: showSync,
    observe: ({ report, seconds }) => {
      if (!report) failures.inc();
      else if (report.changed.length > 0) passes.observe(seconds);
      for (const family of report?.drifted ?? []) drift.inc({ family: `ipv${family}` });
      if (report) unreadable.set(report.unreadable ?? 0);
    },
    render: async (state) => {
      const { applied } = state;
      showSync(state);
      attachments.set(state.attachments.length);
      unidentified.set(state.unidentified.length);
      const missing = ([4, 6] as const).filter((family) => !iptables.has(family));
      unfiltered.set(countUnfiltered(state.attachments, missing));
      showRuleSets(state, clock.nowMs());
      consul.show(state.prefixes);
      showPluginRuns();
      if (applied) await traffic.refresh({ attachments: state.attachments, runtimeRules: applied.runtimeRules });
      return registry.metrics();
    },
  };
}
