import { Counter, Histogram, type Registry } from "prom-client";
import type { Clock } from "../lib/host/clock.ts";
import type { Iptables } from "../lib/host/iptables.ts";
import type { Family } from "../lib/policy/address.ts";

export interface RestoreMetricsPorts {
  readonly families: readonly Family[];
  readonly variant: "nf_tables" | "legacy";
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** Measures the transactions that go to the kernel: each call of `restore`. */
export function createRestoreMetrics(
  registry: Registry,
  { families, variant, clock }: RestoreMetricsPorts,
): (iptables: Iptables) => Iptables {
  const registers = [registry];
  const labelNames = ["family", "variant"];
  const seconds = new Histogram({
    name: "outbound_restore_seconds",
    help: "Time that a call of iptables-restore took, refused ones included",
    labelNames,
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 20],
    registers,
  });
  const failures = new Counter({
    name: "outbound_restore_failures_total",
    help: "Calls of iptables-restore that failed; the kernel is then as it was",
    labelNames,
    registers,
  });
  const labelsOf = (family: Family) => ({ family: `ipv${family}`, variant });
  for (const family of families) {
    seconds.zero(labelsOf(family));
    failures.inc(labelsOf(family), 0);
  }

  return (iptables) => ({
    ...iptables,
    async restore(family, text) {
      const startedMs = clock.monotonicMs();
      try {
        return await iptables.restore(family, text);
      } catch (error) {
        failures.inc(labelsOf(family));
        throw error;
      } finally {
        seconds.observe(labelsOf(family), (clock.monotonicMs() - startedMs) / 1000);
      }
    },
  });
}
