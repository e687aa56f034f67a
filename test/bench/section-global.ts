import { type Variant, variants } from "../support/variant.ts";
import type { Watcher } from "../support/watcher.ts";
import { type ChangeStage, withChangeStage } from "./change-stage.ts";
import { measured, type Measurement, type Section, type Target } from "./section.ts";
import { type Bench, whileWatching } from "./stage.ts";
import { medianOf } from "./statistics.ts";
import type { Series, SeriesFound } from "./worker-change.ts";

const KEY = "outbound/rules/global/bench";
/** A rule of the set that stays, for an address that nobody probes. */
const OTHER = { host: "203.0.113.1", action: "ACCEPT" };

const ratioTarget: Target = { of: "value", bound: "≤", limit: 2 };

export async function measureGlobal(bench: Bench): Promise<Section> {
  const measurements: Measurement[] = [];
  for (const variant of variants) {
    measurements.push(...(await withChangeStage({ bench, variant }, (stage) => measureVariant(bench, stage, variant))));
  }
  return {
    name: "global",
    title: "A change to a global rule set, by the number of attachments it applies to",
    how:
      "As above, by packets of the one real container: a rule set with one rule gets a second one that lets the flow " +
      `through (added), and loses it again (removed); ${bench.sizes.globalChanges} times each. A pass is the watcher's own ` +
      "`outbound_pass_seconds`, from taking the node's lock until the processes that wrote have ended, which on nf_tables " +
      "is a grace period of the kernel later than the commit.",
    measurements,
  };
}

interface SizeFound {
  readonly attachments: number;
  readonly found: SeriesFound;
  readonly passMs: number;
}

async function measureVariant(bench: Bench, stage: ChangeStage, variant: Variant): Promise<readonly Measurement[]> {
  const { sizes, tell } = bench;
  const series = seriesOf(stage, sizes.globalChanges);
  const all: SizeFound[] = [];
  for (const attachments of sizes.globalAttachments) {
    tell(`global: ${attachments} attachments, ${variant}`);
    await stage.fill(attachments);
    await stage.consul.put(KEY, [OTHER]);
    all.push(
      await whileWatching(stage.node, { attachments }, async (watcher) => {
        const before = await readPasses(watcher);
        const {
          series: [found],
        } = await stage.measure([series]);
        const after = await readPasses(watcher);
        if (!found) throw new Error("Cannot report: the series is missing");
        const passMs = (1000 * (after.seconds - before.seconds)) / (after.count - before.count);
        return { attachments, found, passMs };
      }),
    );
  }
  return toMeasurements(variant, all);
}

function seriesOf({ rulesTo }: ChangeStage, n: number): Series {
  return {
    n,
    open: [{ kind: "put", key: KEY, value: JSON.stringify([OTHER, ...rulesTo("ACCEPT")]) }],
    cut: [{ kind: "put", key: KEY, value: JSON.stringify([OTHER]) }],
    reset: [],
  };
}

async function readPasses(watcher: Watcher): Promise<{ readonly count: number; readonly seconds: number }> {
  const metrics = await watcher.metrics();
  return { count: metrics["outbound_pass_seconds_count"] ?? 0, seconds: metrics["outbound_pass_seconds_sum"] ?? 0 };
}

function toMeasurements(variant: Variant, all: readonly SizeFound[]): readonly Measurement[] {
  const each = all.flatMap(({ attachments, found, passMs }) => [
    measured(`accept added → first packet, ${attachments} attachments, ${variant}`, found.openMs),
    measured(`accept removed → last packet, ${attachments} attachments, ${variant}`, found.cutMs),
    measured(`a pass of the watcher, mean, ${attachments} attachments, ${variant}`, [passMs]),
  ]);
  const least = all[0];
  const most = all.at(-1);
  if (!least || !most) throw new Error("Cannot compare: no number of attachments was measured");
  const ratio = (part: "openMs" | "cutMs") => medianOf(most.found[part]) / medianOf(least.found[part]);
  const compared = `${most.attachments} attachments ÷ ${least.attachments}, ${variant}`;
  return [
    ...each,
    measured(`accept added, medians of ${compared}`, [ratio("openMs")], { unit: "×", targets: [ratioTarget] }),
    measured(`accept removed, medians of ${compared}`, [ratio("cutMs")], { unit: "×", targets: [ratioTarget] }),
  ];
}
