import { Counter, Gauge, type Registry } from "prom-client";
import type { Clock } from "../lib/host/clock.ts";
import type { RulesetReader } from "../lib/host/iptables.ts";
import type { Log } from "../lib/host/log.ts";
import { parseRuleset } from "../lib/netfilter/parse-ruleset.ts";
import type { Family } from "../lib/policy/address.ts";
import { createTrafficAttribution, type TrafficContext } from "./attribute-traffic.ts";
import { countedLines } from "./counted-lines.ts";
import { createTraffic, type Labels, type TrafficIncrease } from "./traffic.ts";

export interface TrafficMetrics {
  /**
   * Brings the metrics up to what the kernel has counted, where the last look is older than five seconds. It does not
   * wait for the node's lock, and never fails: what cannot be read stays as it was, and that is counted.
   */
  readonly refresh: (context: TrafficContext) => Promise<void>;
}

export interface TrafficPorts {
  readonly iptables: Pick<RulesetReader, "save">;
  readonly families: readonly Family[];
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
}

const FRESH_MS = 5_000;
const MOST_LABELS = 500;
const OTHER = "(other)";
const RULE_SET_LABELS = ["rule_set", "scope", "namespace", "nomad_job", "group", "action", "mode"];
const DEFAULT_LABELS = ["namespace", "nomad_job", "group", "network", "action"];

/** What rules and default actions have decided, as counters that never fall while the watcher runs. */
export function createTrafficMetrics(registry: Registry, ports: TrafficPorts): TrafficMetrics {
  const { iptables, families, clock, log } = ports;
  const registers = [registry];
  const attribute = createTrafficAttribution();
  const ruleSets = createSeries({
    name: "outbound_rule_set",
    what: "rules of a rule set matched, of all attachments that it applies to",
    labelNames: RULE_SET_LABELS,
    other: (labels) => ({ ...emptied(labels), rule_set: OTHER, ...picked(labels, ["action", "mode"]) }),
    registers,
  });
  const defaults = createSeries({
    name: "outbound_default_action",
    what: "no rule matched, so that the default action decided them",
    labelNames: DEFAULT_LABELS,
    other: (labels) => ({ ...emptied(labels), job: OTHER, ...picked(labels, ["action"]) }),
    registers,
  });
  const failures = new Counter({
    name: "outbound_traffic_read_failures_total",
    help: "Times that the kernel's counters could not be read; the metrics made of them then stay as they were",
    labelNames: ["family"],
    registers,
  });
  const limited = new Gauge({
    name: "outbound_traffic_labels_limited",
    help: `1 when there are more than ${MOST_LABELS} sets of labels, so that further ones are summed up as "${OTHER}"`,
    labelNames: ["counter"],
    registers,
  });
  for (const family of families) failures.inc({ family: `ipv${family}` }, 0);
  const failing = new Set<Family>();
  let last: { readonly atMs: number; readonly done: Promise<void> } | undefined;

  return {
    refresh(context) {
      const atMs = clock.monotonicMs();
      if (!last || atMs - last.atMs >= FRESH_MS) last = { atMs, done: look(context) };
      return last.done;
    },
  };

  async function look(context: TrafficContext): Promise<void> {
    await Promise.all(families.map((family) => lookAt(family, context)));
    limited.set({ counter: "rule_set" }, ruleSets.isFull() ? 1 : 0);
    limited.set({ counter: "default_action" }, defaults.isFull() ? 1 : 0);
  }

  async function lookAt(family: Family, context: TrafficContext): Promise<void> {
    try {
      const table = parseRuleset(countedLines(await iptables.save(family, { withCounters: true })));
      const found = attribute(family, table, context);
      ruleSets.take(family, found.ruleSets);
      defaults.take(family, found.defaults);
      if (failing.delete(family)) log.info({ family }, "The kernel's counters can be read again");
    } catch (error) {
      failures.inc({ family: `ipv${family}` });
      if (!failing.has(family)) log.warn({ family, error: String(error) }, "Cannot read the kernel's counters");
      failing.add(family);
    }
  }
}

interface SeriesOptions {
  readonly name: string;
  readonly what: string;
  readonly labelNames: readonly string[];
  readonly other: (labels: Labels) => Labels;
  readonly registers: Registry[];
}

/** Packets and bytes with the same labels. */
function createSeries({ name, what, labelNames, other, registers }: SeriesOptions) {
  const traffic = createTraffic({ mostLabels: MOST_LABELS, other });
  const counterOf = (unit: "packets" | "bytes") =>
    new Counter({
      name: `${name}_${unit}_total`,
      help: unit === "packets" ? `Packets that ${what}` : `Bytes of packets that ${what}`,
      labelNames,
      registers,
    });
  const packets = counterOf("packets");
  const bytes = counterOf("bytes");
  const take = (...reading: Parameters<typeof traffic.take>): void => {
    for (const increase of traffic.take(...reading)) addTo(increase);
  };
  const addTo = ({ labels, ...increase }: TrafficIncrease): void => {
    const shown = renamed(labels);
    packets.inc(shown, increase.packets);
    bytes.inc(shown, increase.bytes);
  };
  return { take, isFull: traffic.isFull };
}

/** Prometheus puts a `job` of its own on what it scrapes, and would call ours `exported_job`. */
function renamed(labels: Labels): Labels {
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [name === "job" ? "nomad_job" : name, value]),
  );
}

function emptied(labels: Labels): Labels {
  return Object.fromEntries(Object.keys(labels).map((label) => [label, ""]));
}

function picked(labels: Labels, kept: readonly string[]): Labels {
  return Object.fromEntries(kept.map((label) => [label, labels[label] ?? ""]));
}
