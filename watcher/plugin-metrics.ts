import { Counter, Histogram, type Registry } from "prom-client";
import type { PluginRunReader } from "../lib/host/plugin-runs.ts";

const VERBS = ["ADD", "DEL"] as const;

/** What the plugin has recorded of its runs; call to bring it up to date. */
export function createPluginMetrics(registry: Registry, runs: PluginRunReader): () => void {
  const registers = [registry];
  const seconds = new Histogram({
    name: "outbound_plugin_seconds",
    help: "Time from the plugin's start to its answer, failed runs included",
    labelNames: ["verb"],
    buckets: [0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 5, 15, 45],
    registers,
  });
  const failures = new Counter({
    name: "outbound_plugin_failures_total",
    help: "Runs of the plugin that ended with an error",
    labelNames: ["verb"],
    registers,
  });
  const damaged = new Counter({
    name: "outbound_plugin_damaged_records_total",
    help: "Lines in the plugin's record of its runs that could not be read",
    registers,
  });
  for (const verb of VERBS) {
    seconds.zero({ verb });
    failures.inc({ verb }, 0);
  }
  return () => {
    const taken = runs.take();
    for (const { verb, seconds: took, isFailed } of taken.runs) {
      seconds.observe({ verb }, took);
      if (isFailed) failures.inc({ verb });
    }
    damaged.inc(taken.damaged);
  };
}
