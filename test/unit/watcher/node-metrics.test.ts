import { Registry } from "prom-client";
import { beforeEach, describe, expect, test } from "vitest";
import type { ParsedPluginRuns } from "../../../lib/cni/plugin-run.ts";
import { ConsulError } from "../../../lib/host/consul-error.ts";
import type { Consul, PrefixAnswer } from "../../../lib/host/consul.ts";
import type { Family } from "../../../lib/policy/address.ts";
import { createMetrics, type Metrics } from "../../../watcher/metrics.ts";
import { applyAnswer, createSnapshot } from "../../../watcher/snapshot.ts";
import type { WatchState } from "../../../watcher/watch.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createFakeIptables } from "../../fakes/fake-iptables.ts";
import { createMemoryLog } from "../../fakes/log.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { runtimeRulesOf } from "../policy/fixtures.ts";

let clock: FakeClock;
let metrics: Metrics;
let recorded: ParsedPluginRuns;
let installed: ReadonlySet<Family>;

beforeEach(() => {
  clock = createFakeClock();
  recorded = { runs: [], damaged: 0 };
  installed = new Set([4, 6]);
  const take = (): ParsedPluginRuns => {
    const taken = recorded;
    recorded = { runs: [], damaged: 0 };
    return taken;
  };
  metrics = createMetrics(
    {
      iptables: { ...createFakeIptables(), has: (family) => installed.has(family) },
      families: [4, 6],
      variant: "legacy",
      version: "1.2.3",
      clock,
      log: createMemoryLog(),
      pluginRuns: { take },
    },
    new Registry(),
  );
});

const start: WatchState = {
  snapshot: createSnapshot(runtimeRulesOf({})),
  prefixes: [],
  isInSync: false,
  attachments: [],
  applied: undefined,
  audited: [],
  unidentified: [],
};

async function scrape(name: string, state: Partial<WatchState> = {}): Promise<readonly string[]> {
  const text = await metrics.render({ ...start, ...state });
  return text.split("\n").filter((line) => line.startsWith(name));
}

test("what runs, and since when, is told", async () => {
  const startedMs = clock.nowMs();
  await clock.advance(5_000);
  expect(await scrape("outbound_build_info")).toEqual(['outbound_build_info{version="1.2.3",variant="legacy"} 1']);
  expect(await scrape("outbound_start_")).toEqual([`outbound_start_timestamp_seconds ${startedMs / 1000}`]);
});

test("since when it is out of sync is told from the start, until it is in sync, and again from when it no longer is", async () => {
  const sinceOf = async (isInSync: boolean) =>
    Number((await scrape("outbound_out_of_sync_timestamp_seconds", { isInSync }))[0]?.split(" ")[1]) * 1000;
  const startedMs = clock.nowMs();
  await clock.advance(5_000);
  expect(await sinceOf(false)).toBe(startedMs);
  metrics.changed({ ...start, isInSync: true });
  await clock.advance(5_000);
  expect(await sinceOf(true)).toBe(0);
  const lostMs = clock.nowMs();
  metrics.changed({ ...start, isInSync: false });
  await clock.advance(60_000);
  metrics.changed({ ...start, isInSync: false });
  expect(await sinceOf(false)).toBe(lostMs);
});

test("each key of KV is counted in the one state that it is in", async () => {
  const nowMs = clock.nowMs();
  const value = (text: string) => new TextEncoder().encode(text);
  const deny = '{"action":"DROP"}';
  const set = (more: object) => value(JSON.stringify({ rules: [{ action: "DROP" }], ...more }));
  const read = (entries: Readonly<Record<string, Uint8Array>>, modifyIndex: number) =>
    Object.entries(entries).map(([name, bytes]) => ({ key: `global/${name}`, value: bytes, modifyIndex }));
  const good = read({ a: value(deny), b: value(deny), audited: set({ mode: "audit" }), kept: value(deny) }, 1);
  const first = applyAnswer(start.snapshot, { prefix: "global/", entries: good }, { nowMs }).snapshot;
  const others = read(
    { kept: value("nonsense"), rejected: value("nonsense"), over: set({ expiresAt: new Date(nowMs).toISOString() }) },
    2,
  );
  const entries = [...good.slice(0, 3), ...others, ...read({ pending: value(deny), "x/y/z": value(deny) }, 3)];
  const { snapshot } = applyAnswer(first, { prefix: "global/", entries }, { nowMs });
  expect(
    await scrape("outbound_rule_sets", { snapshot, applied: { runtimeRules: first.runtimeRules, nowMs } }),
  ).toEqual([
    'outbound_rule_sets{state="enforced"} 2',
    'outbound_rule_sets{state="audited"} 1',
    'outbound_rule_sets{state="pending"} 1',
    'outbound_rule_sets{state="expired"} 1',
    'outbound_rule_sets{state="kept"} 1',
    'outbound_rule_sets{state="rejected"} 1',
    'outbound_rule_sets{state="unscoped"} 1',
  ]);
  expect(await scrape("outbound_rejected_rule_sets", { snapshot })).toEqual(["outbound_rejected_rule_sets 2"]);
});

test("the snapshot of each prefix has its index and its time, and goes with the prefix", async () => {
  const ok = { status: "ok", lastSuccessMs: 5_000, consecutiveFailures: 0 } as const;
  const one = { prefix: "global/", index: "42", ...ok };
  const prefixes = [one, { prefix: "node/n1/", index: "7", ...ok, consecutiveFailures: 3 }];
  expect(await scrape("outbound_snapshot_", { prefixes })).toEqual([
    'outbound_snapshot_index{prefix="global/"} 42',
    'outbound_snapshot_index{prefix="node/n1/"} 7',
    'outbound_snapshot_timestamp_seconds{prefix="global/"} 5',
    'outbound_snapshot_timestamp_seconds{prefix="node/n1/"} 5',
  ]);
  expect(await scrape("outbound_consul_consecutive_failures", { prefixes })).toEqual([
    "outbound_consul_consecutive_failures 3",
  ]);
  expect(await scrape("outbound_snapshot_index", { prefixes: [one] })).toHaveLength(1);
});

describe("requests to Consul", () => {
  const answer: PrefixAnswer = { index: 1n, entries: [], isFiltered: false, isEmpty: true };
  const options = { prefix: "x", index: 0n, waitSeconds: 1, consistent: false };

  function consulThat(readPrefix: Consul["readPrefix"]): Consul {
    return metrics.countRules({ readPrefix, checkReadable: () => Promise.resolve(), close: () => {} });
  }

  async function counted(): Promise<Readonly<Record<string, number>>> {
    const lines = [...(await scrape("outbound_consul_requests_total")), ...(await scrape("outbound_consul_request_f"))];
    const samples = lines.map((line) => [line.replace(/ \S+$/, ""), Number(line.replace(/^.* /, ""))] as const);
    return Object.fromEntries(samples.filter(([, value]) => value > 0));
  }

  test("are counted, and those that fail by kind", async () => {
    const { signal } = new AbortController();
    expect(await consulThat(() => Promise.resolve(answer)).readPrefix({ ...options, signal })).toBe(answer);
    const refuse = consulThat(() => Promise.reject(new ConsulError("no", { kind: "forbidden" })));
    await expect(refuse.readPrefix({ ...options, signal })).rejects.toThrow("no");
    expect(await counted()).toEqual({
      'outbound_consul_requests_total{purpose="rules"}': 2,
      'outbound_consul_request_failures_total{purpose="rules",kind="forbidden"}': 1,
    });
  });

  test("that the watcher gives up itself have not failed", async () => {
    const abort = new AbortController();
    abort.abort();
    const refuse = consulThat(() => Promise.reject(new Error("aborted")));
    await expect(refuse.readPrefix({ ...options, signal: abort.signal })).rejects.toThrow("aborted");
    expect(await counted()).toEqual({});
  });

  test("have a series of each kind before there is any failure", async () => {
    expect(await scrape("outbound_consul_request_failures_total")).toHaveLength(16);
  });
});

test("transactions are measured by family and variant, and refused ones counted", async () => {
  const kernel = createFakeIptables();
  const measured = metrics.measureRestores(kernel);
  await measured.restore(4, "*filter\n:CNI-OUTBOUND - [0:0]\nCOMMIT\n");
  await expect(measured.restore(6, "*filter\n-A MISSING -j DROP\nCOMMIT\n")).rejects.toThrow("MISSING");
  expect(await kernel.save(4)).toContain("CNI-OUTBOUND");
  expect(await scrape("outbound_restore_seconds_count")).toEqual([
    'outbound_restore_seconds_count{family="ipv4",variant="legacy"} 1',
    'outbound_restore_seconds_count{family="ipv6",variant="legacy"} 1',
  ]);
  expect(await scrape("outbound_restore_failures_total")).toEqual([
    'outbound_restore_failures_total{family="ipv4",variant="legacy"} 0',
    'outbound_restore_failures_total{family="ipv6",variant="legacy"} 1',
  ]);
});

test("what the plugin recorded is counted by verb", async () => {
  expect(await scrape("outbound_plugin_failures_total")).toEqual([
    'outbound_plugin_failures_total{verb="ADD"} 0',
    'outbound_plugin_failures_total{verb="DEL"} 0',
  ]);
  const add = { verb: "ADD", seconds: 0.04, isFailed: false } as const;
  recorded = { runs: [add, add, { verb: "ADD", seconds: 15.1, isFailed: true }], damaged: 2 };
  expect(await scrape('outbound_plugin_seconds_bucket{le="0.05",verb="ADD"}')).toEqual([
    'outbound_plugin_seconds_bucket{le="0.05",verb="ADD"} 2',
  ]);
  expect(await scrape("outbound_plugin_seconds_count")).toEqual([
    'outbound_plugin_seconds_count{verb="ADD"} 3',
    'outbound_plugin_seconds_count{verb="DEL"} 0',
  ]);
  expect(await scrape('outbound_plugin_failures_total{verb="ADD"}')).toEqual([
    'outbound_plugin_failures_total{verb="ADD"} 1',
  ]);
  expect(await scrape("outbound_plugin_damaged")).toEqual(["outbound_plugin_damaged_records_total 2"]);
});

test("attachments whose rules follow nothing are counted", async () => {
  const attachments = [
    attachmentOf({ addresses: ["10.88.0.2"] }),
    attachmentOf({ containerId: "two", addresses: ["10.88.0.3", "fd00:88::3"] }),
  ];
  expect(await scrape("outbound_unfiltered", { attachments })).toEqual(["outbound_unfiltered_attachments 0"]);
  installed = new Set([4]);
  expect(await scrape("outbound_unfiltered", { attachments })).toEqual(["outbound_unfiltered_attachments 1"]);
  metrics.observe({ report: { attachments, changed: [], drifted: [], unreadable: 3 }, seconds: 1 });
  expect(await scrape("outbound_unreadable")).toEqual(["outbound_unreadable_attachments 3"]);
  metrics.observe({ report: { attachments, changed: [], drifted: [] }, seconds: 1 });
  expect(await scrape("outbound_unreadable")).toEqual(["outbound_unreadable_attachments 0"]);
});

test("that the runtime rules are not on disk is told", async () => {
  expect(await scrape("outbound_runtime_rules_kept")).toEqual(["outbound_runtime_rules_kept 1"]);
  expect(await scrape("outbound_runtime_rules_kept", { isKept: false })).toEqual(["outbound_runtime_rules_kept 0"]);
});
