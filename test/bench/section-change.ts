import { join } from "node:path";
import { type Variant, variants } from "../support/variant.ts";
import { type ChangeStage, withChangeStage } from "./change-stage.ts";
import { changesIn, createRecorder, type RecordedCall } from "./recorded-calls.ts";
import { floor, measured, type Measurement, type Section, type Target } from "./section.ts";
import { type Bench, whileWatching } from "./stage.ts";
import type { ChangeFound, RoundMarks, Series } from "./worker-change.ts";

const ALLOW = "outbound/rules/namespace/default/job/web/bench-allow";
const DENY = "outbound/rules/namespace/default/job/web/bench-deny";

const targets: readonly Target[] = [
  { of: "median", bound: "≤", limit: 15 },
  { of: "p99", bound: "≤", limit: 60 },
];

export async function measureChange(bench: Bench): Promise<Section> {
  const measurements: Measurement[] = [];
  for (const variant of variants) {
    measurements.push(...(await withChangeStage({ bench, variant }, (stage) => measureVariant(bench, stage, variant))));
  }
  const { changeAttachments, changes } = bench.sizes;
  return {
    name: "change",
    title: `A rule set of one job, on a node with ${changeAttachments} attachments`,
    how:
      `One real container, attached by bridge, firewall and outbound, among ${changeAttachments - 1} synthetic ones; ten ` +
      "allocations a job. A UDP packet leaves it about every millisecond, IPv4 and IPv6 in turn, and is echoed behind the " +
      "uplink. Measured from the moment before the HTTP PUT is sent, on a connection kept alive to the unix socket of the " +
      "node's Consul agent, until the first (accept added) or the last packet (deny added) has come back; " +
      `${changes} times, at least 100 ms apart. The wait for the next packet and its own way there and back are in it.`,
    measurements,
  };
}

async function measureVariant(bench: Bench, stage: ChangeStage, variant: Variant): Promise<readonly Measurement[]> {
  const { sizes, tell, consulBinary } = bench;
  const { node, consul, rulesTo } = stage;
  const accept = JSON.stringify(rulesTo("ACCEPT"));
  const deny = JSON.stringify(rulesTo("DROP"));
  tell(`change: ${sizes.changeAttachments} attachments, ${variant}`);
  await stage.fill(sizes.changeAttachments);
  const watching = { attachments: sizes.changeAttachments };
  const byHttp: Series = {
    n: sizes.changes,
    open: [{ kind: "put", key: ALLOW, value: accept }],
    cut: [{ kind: "put", key: DENY, value: deny }],
    reset: [
      { kind: "delete", key: ALLOW },
      { kind: "delete", key: DENY },
    ],
  };
  const env = { CONSUL_HTTP_ADDR: consul.unixUrl };
  const byCli: Series = {
    ...byHttp,
    n: sizes.cliChanges,
    open: [{ kind: "run", argv: [consulBinary, "kv", "put", ALLOW, accept], env }],
    cut: [],
  };

  const recorded = await recordRound(stage, { series: byHttp, variant, watching });
  const found = await whileWatching(node, watching, () =>
    stage.measure([byHttp, byCli], { consulFloors: sizes.consulFloors }),
  );
  tell(`change: restores by hand, ${variant}`);
  const byHand = await stage.measure([{ n: sizes.restoreFloors, ...recorded }]);
  return toMeasurements(variant, { found, byHand });
}

interface RecordOptions {
  readonly series: Series;
  readonly variant: Variant;
  readonly watching: { readonly attachments: number };
}

/** The transactions with which a watcher answers each part of a round, to be made again by hand. */
async function recordRound(
  { node, measure }: ChangeStage,
  { series, variant, watching }: RecordOptions,
): Promise<Pick<Series, "open" | "cut" | "reset">> {
  const recorder = await createRecorder(join(node.directory, "recorded"), variant);
  const env = { PATH: `${recorder.path}:${node.env["PATH"]}` };
  const { series: found } = await whileWatching(node, { ...watching, env }, () => measure([{ ...series, n: 1 }]));
  const marks = found[0]?.marks[0];
  if (!marks) throw new Error("Cannot record: the round left no marks");
  const calls = changesIn(await recorder.take());
  const partOf = (part: "open" | "cut" | "reset") => [
    { kind: "replay", calls: callsOf(calls, marks, part), variant } as const,
  ];
  return { open: partOf("open"), cut: partOf("cut"), reset: partOf("reset") };
}

function callsOf(
  calls: readonly RecordedCall[],
  { openAtMs, cutAtMs, resetAtMs, endAtMs }: RoundMarks,
  part: "open" | "cut" | "reset",
): readonly RecordedCall[] {
  const [from, to] = { open: [openAtMs, cutAtMs], cut: [cutAtMs, resetAtMs], reset: [resetAtMs, endAtMs] }[part];
  const own = calls.filter(({ startedAtMs }) => startedAtMs >= (from ?? 0) && startedAtMs < (to ?? 0));
  if (own.length === 0) throw new Error(`Cannot record: the watcher made no transaction to ${part} the flow`);
  return own;
}

interface Found {
  readonly found: ChangeFound;
  readonly byHand: ChangeFound;
}

function toMeasurements(variant: Variant, { found, byHand }: Found): readonly Measurement[] {
  const [http, cli] = found.series;
  const [hand] = byHand.series;
  if (!http || !cli || !hand) throw new Error("Cannot report: a series is missing");
  return [
    floor(`between two packets, ${variant}`, http.spacingMs),
    floor(`packet there and back, ${variant}`, http.roundTripMs),
    floor(`Consul's PUT → return of a blocking query, ${variant}`, found.consulMs),
    floor(`the watcher's restores by hand → first packet, ${variant}`, hand.openMs),
    floor(`the watcher's restores by hand → last packet, ${variant}`, hand.cutMs),
    measured(`PUT of an accept → first packet, ${variant}`, http.openMs, { targets }),
    measured(`PUT of a deny → last packet, ${variant}`, http.cutMs, { targets }),
    measured(`start of consul kv put → first packet, ${variant}`, cli.openMs),
  ];
}
