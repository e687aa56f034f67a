import { Gauge, type Registry } from "prom-client";
import type { Clock } from "../lib/host/clock.ts";
import type { WatchState } from "./watch.ts";

/** Whether this node is in sync, and since when not. Told whenever that may have changed. */
export function createSyncMetrics(
  registry: Registry,
  { clock }: { readonly clock: Pick<Clock, "nowMs"> },
): (state: Pick<WatchState, "isInSync" | "applied" | "isKept">) => void {
  const registers = [registry];
  const inSync = new Gauge({
    name: "outbound_in_sync",
    help: "1 when KV is read and in force, 0 otherwise",
    registers,
  });
  const since = new Gauge({
    name: "outbound_out_of_sync_timestamp_seconds",
    help: "Since when the watcher is out of sync, in seconds since the epoch; 0 while it is in sync",
    registers,
  });
  const lastPass = new Gauge({
    name: "outbound_last_good_pass_timestamp_seconds",
    help: "When the last pass that went well began, in seconds since the epoch; 0 before the first",
    registers,
  });
  const kept = new Gauge({
    name: "outbound_runtime_rules_kept",
    help: "1 when the runtime rules are on disk for the next start and for the plugin, 0 otherwise",
    registers,
  });
  // It starts without knowing.
  let outSinceMs: number | undefined = clock.nowMs();
  return ({ isInSync, applied, isKept = true }) => {
    outSinceMs = isInSync ? undefined : (outSinceMs ?? clock.nowMs());
    inSync.set(isInSync ? 1 : 0);
    since.set((outSinceMs ?? 0) / 1000);
    kept.set(isKept ? 1 : 0);
    lastPass.set((applied?.nowMs ?? 0) / 1000);
  };
}
