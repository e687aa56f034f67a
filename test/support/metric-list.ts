import { Registry } from "prom-client";
import { z } from "zod";
import { createMetrics, type Metrics } from "../../watcher/metrics.ts";
import { createSnapshot } from "../../watcher/snapshot.ts";
import { createFakeClock } from "../fakes/clock.ts";
import { createFakeIptables } from "../fakes/fake-iptables.ts";
import { createMemoryLog } from "../fakes/log.ts";

export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
}

const described = z.object({ name: z.string(), labelNames: z.array(z.string()) });

/** Every metric that the watcher has, whether there are samples of it or not. */
export async function listMetrics(): Promise<readonly MetricDescription[]> {
  const registry = new Registry();
  createExample(registry);
  const types = new Map((await registry.getMetricsAsJSON()).map(({ name, type }) => [name, z.string().parse(type)]));
  return registry.getMetricsAsArray().map((metric) => {
    const { name, labelNames } = described.parse(metric);
    return { name, type: types.get(name) ?? "", labels: labelNames };
  });
}

/** What a watcher's `/metrics` answers that has just started. */
export async function renderExampleMetrics(): Promise<string> {
  return createExample(new Registry()).render({
    snapshot: createSnapshot({ node: "n1", ruleSets: [] }),
    prefixes: [{ prefix: "global/", status: "ok", index: "7", lastSuccessMs: 1000, consecutiveFailures: 0 }],
    isInSync: true,
    attachments: [],
    applied: { runtimeRules: { node: "n1", ruleSets: [] }, nowMs: 1000 },
    audited: [],
    unidentified: [],
  });
}

function createExample(registry: Registry): Metrics {
  return createMetrics(
    {
      iptables: { ...createFakeIptables(), has: () => true },
      families: [4, 6],
      variant: "nf_tables",
      version: "1.2.3",
      clock: createFakeClock(),
      log: createMemoryLog(),
      pluginRuns: { take: () => ({ runs: [], damaged: 0 }) },
    },
    registry,
  );
}

/** The names of series that there are of a metric, with the labels of each. */
export function seriesOf({ name, type, labels }: MetricDescription): readonly (readonly [string, readonly string[]])[] {
  if (type !== "histogram") return [[name, labels]];
  return [
    [`${name}_bucket`, [...labels, "le"]],
    [`${name}_sum`, labels],
    [`${name}_count`, labels],
  ];
}
