import { beforeEach, describe, expect, test } from "vitest";
import { createCompiler } from "../../../lib/netfilter/compile-node.ts";
import { sharedChainName } from "../../../lib/netfilter/names.ts";
import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import { planNode } from "../../../lib/netfilter/plan.ts";
import { renderPlan } from "../../../lib/netfilter/render-plan.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { createMetrics, type Metrics } from "../../../watcher/metrics.ts";
import { createSnapshot } from "../../../watcher/snapshot.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createFakeIptables, type FakeIptables } from "../../fakes/fake-iptables.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";
import type { WatchState } from "../../../watcher/watch-state.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";

const drop = rule({ host: "10.1.1.1", action: "DROP" });
const accept = rule({ host: "10.2.2.2", action: "ACCEPT" });
const reject = rule({ host: "10.3.3.3", proto: "tcp", action: "REJECT" });

let kernel: FakeIptables;
let clock: FakeClock;
let log: MemoryLog;
let isReadable: boolean;
let reads: number;
let metrics: Metrics;
let attachments: readonly Attachment[];
let runtimeRules: RuntimeRules;

beforeEach(() => {
  kernel = createFakeIptables();
  clock = createFakeClock();
  log = createMemoryLog();
  isReadable = true;
  reads = 0;
  const save: FakeIptables["save"] = (family, options) => {
    reads++;
    return isReadable ? kernel.save(family, options) : Promise.reject(new Error("no"));
  };
  metrics = createMetrics({ iptables: { save }, families: [4], clock, log });
  attachments = [attachmentOf()];
});

/** Puts what KV says into the kernel, as a pass does. */
async function apply(ruleSets: Readonly<Record<string, Partial<RuleSet>>>): Promise<void> {
  runtimeRules = runtimeRulesOf(ruleSets);
  const node = createCompiler(4).compileNode(attachments, { runtimeRules, nowMs: 0 });
  const actual = parseRuleset(await kernel.save(4));
  const plan = planNode(node, { actual, family: 4, keep: new Set(), isSettled: true });
  await kernel.restore(4, renderPlan(plan));
}

/** The samples whose name starts so, after another five seconds. */
async function scrape(start: string): Promise<readonly string[]> {
  await clock.advance(5_000);
  return scrapeNow(start);
}

async function scrapeNow(start: string, state: Partial<WatchState> = {}): Promise<readonly string[]> {
  const text = await metrics.render({
    snapshot: createSnapshot(runtimeRules),
    prefixes: [],
    isInSync: true,
    attachments,
    applied: { runtimeRules, nowMs: 0 },
    audited: [],
    unidentified: [],
    ...state,
  });
  return text.split("\n").filter((line) => line.startsWith(start));
}

describe("traffic", () => {
  test("is told by rule set, scope and action", async () => {
    await apply({
      "global/a": { rules: [drop, accept, reject] },
      "namespace/default/job/web/group/app/b": { rules: [accept] },
    });
    kernel.send(4);
    expect(await scrape("outbound_rule_set_packets_total")).toEqual([
      'outbound_rule_set_packets_total{rule_set="global/a",scope="global",namespace="",job="",group="",action="DROP",mode="enforce"} 1',
      'outbound_rule_set_packets_total{rule_set="global/a",scope="global",namespace="",job="",group="",action="REJECT",mode="enforce"} 1',
      'outbound_rule_set_packets_total{rule_set="global/a",scope="global",namespace="",job="",group="",action="ACCEPT",mode="enforce"} 1',
      'outbound_rule_set_packets_total{rule_set="namespace/default/job/web/group/app/b",scope="group",namespace="default",job="web",group="app",action="ACCEPT",mode="enforce"} 1',
    ]);
    expect((await scrape("outbound_rule_set_bytes_total"))[0]).toMatch(/ 84$/);
  });

  test("of an audited set is told as what it would have decided", async () => {
    await apply({ "global/a": { rules: [drop, accept, reject, drop], mode: "audit" } });
    kernel.send(4);
    const lines = (await scrape("outbound_rule_set_packets_total")).map((line) => /action=.*/.exec(line)?.[0] ?? "");
    expect(lines.toSorted()).toEqual([
      'action="ACCEPT",mode="audit"} 1',
      'action="DROP",mode="audit"} 2',
      'action="REJECT",mode="audit"} 1',
    ]);
  });

  test("of static, initial and job rules is told too; jobs that share rules have a chain in common", async () => {
    const policy = { staticRules: [drop], initialRules: [reject] };
    const other = {
      containerId: "two",
      addresses: ["10.88.0.3"],
      hostInterface: { name: "veth2", isBridgePort: true },
    };
    attachments = [
      attachmentOf({ policy, jobRules: [accept] }),
      attachmentOf({ ...other, jobRules: [accept], identity: { namespace: "default", job: "db", group: "app" } }),
    ];
    await apply({});
    kernel.send(4);
    expect((await scrape("outbound_rule_set_packets_total")).toSorted()).toEqual([
      'outbound_rule_set_packets_total{rule_set="conflist",scope="",namespace="",job="",group="",action="DROP",mode="enforce"} 1',
      'outbound_rule_set_packets_total{rule_set="conflist",scope="",namespace="",job="",group="",action="REJECT",mode="enforce"} 1',
      'outbound_rule_set_packets_total{rule_set="job",scope="",namespace="default",job="",group="app",action="ACCEPT",mode="enforce"} 1',
    ]);
  });

  test.each([
    ["DROP", 1],
    ["ACCEPT", 1],
    ["REJECT", 2],
  ] as const)("that the default action %s decided is told by job", async (defaultAction, packets) => {
    attachments = [
      attachmentOf({
        identity: { namespace: "default", job: "batch/dispatch-1-a/periodic-2", group: "g" },
        policy: { defaultAction, logDenied: true },
      }),
    ];
    await apply({ "global/a": { rules: [accept] } });
    kernel.send(4);
    expect(await scrape("outbound_default_action_packets_total")).toEqual([
      `outbound_default_action_packets_total{namespace="default",job="batch",group="g",network="egress",action="${defaultAction}"} ${packets}`,
    ]);
  });

  test("goes on counting when chains are filled again, change or go", async () => {
    const counted = async () => Number((await scrape("outbound_rule_set_packets_total"))[0]?.split(" ")[1]);
    await apply({ "global/a": { rules: [drop] } });
    kernel.send(4);
    expect(await counted()).toBe(1);
    await apply({ "global/a": { rules: [rule({ host: "10.9.9.9", action: "DROP" })] } });
    kernel.send(4);
    kernel.send(4);
    expect(await counted()).toBe(3);
    await apply({});
    expect(await counted()).toBe(3);
    await apply({ "global/a": { rules: [drop] } });
    kernel.send(4);
    expect(await counted()).toBe(4);
  });

  test("is looked up at most once in five seconds", async () => {
    await apply({ "global/a": { rules: [drop] } });
    await Promise.all([scrapeNow("outbound"), scrapeNow("outbound")]);
    await clock.advance(4_999);
    kernel.send(4);
    expect((await scrapeNow("outbound_rule_set_packets_total"))[0]).toMatch(/ 0$/);
    expect(reads).toBe(1);
    await clock.advance(1);
    expect((await scrapeNow("outbound_rule_set_packets_total"))[0]).toMatch(/ 1$/);
  });

  test("stays as it was while the kernel cannot be read, and that is counted", async () => {
    await apply({ "global/a": { rules: [drop] } });
    kernel.send(4);
    await scrape("outbound");
    isReadable = false;
    kernel.send(4);
    await scrape("outbound");
    expect(await scrape("outbound_counter_read_failures_total")).toEqual([
      'outbound_counter_read_failures_total{family="ipv4"} 2',
    ]);
    expect((await scrapeNow("outbound_rule_set_packets_total"))[0]).toMatch(/ 1$/);
    expect(log.lines.map(({ message }) => message)).toEqual(["Cannot read the kernel's counters"]);
    isReadable = true;
    expect((await scrape("outbound_rule_set_packets_total"))[0]).toMatch(/ 2$/);
  });

  test("of more rule sets than are told apart is summed up", async () => {
    const sets = Array.from({ length: 510 }, (_, index) => [`global/set-${index}`, { rules: [drop] }] as const);
    await apply(Object.fromEntries(sets.slice(0, 500)));
    await scrape("outbound");
    expect(await scrape('outbound_counter_labels_limited{counter="rule_set"}')).toEqual([
      'outbound_counter_labels_limited{counter="rule_set"} 0',
    ]);
    await apply(Object.fromEntries(sets));
    kernel.send(4);
    const lines = await scrape("outbound_rule_set_packets_total");
    expect(lines).toHaveLength(501);
    expect(lines.at(-1)).toBe(
      'outbound_rule_set_packets_total{rule_set="(other)",scope="",namespace="",job="",group="",action="DROP",mode="enforce"} 10',
    );
    expect(await scrape("outbound_counter_labels_limited")).toEqual([
      'outbound_counter_labels_limited{counter="rule_set"} 1',
      'outbound_counter_labels_limited{counter="default_action"} 0',
    ]);
  });

  test("has labels that are other people's text, escaped", async () => {
    attachments = [attachmentOf({ identity: { namespace: "default", job: 'a"b\\c\nd' } })];
    await apply({});
    expect((await scrape("outbound_default_action_packets_total"))[0]).toContain(String.raw`job="a\"b\\c\nd"`);
  });

  test("of chains that nobody knows is left out", async () => {
    await apply({ "global/a": { rules: [drop] } });
    const chain = sharedChainName("deny-rules", "global/gone");
    await kernel.restore(4, `*filter\n:${chain} - [0:0]\n-A ${chain} -j DROP\nCOMMIT\n`);
    attachments = [];
    kernel.send(4);
    expect(await scrape("outbound_rule_set_packets_total")).toHaveLength(1);
    expect(await scrape("outbound_default_action_packets_total")).toEqual([]);
  });
});

test("what expires within ten minutes is counted, and when the next does is told", async () => {
  const nowMs = clock.nowMs();
  const expiring = (inMs: number): Partial<RuleSet> => ({ rules: [drop], expiresAt: nowMs + inMs });
  await apply({ "global/soon": expiring(590_000), "global/later": expiring(3_600_000), "global/over": expiring(-1) });

  expect(await scrape("outbound_expiring")).toEqual(["outbound_expiring_rule_sets 1"]);
  expect(await scrape("outbound_next_expiry")).toEqual([
    `outbound_next_expiry_timestamp_seconds ${(nowMs + 590_000) / 1000}`,
  ]);
  await clock.advance(600_000);
  expect(await scrape("outbound_expiring")).toEqual(["outbound_expiring_rule_sets 0"]);
});

test("attachments without identity are counted, and none is 0", async () => {
  const name = "outbound_attachments_without_identity";
  expect(await scrapeNow(`${name} `)).toEqual([`${name} 0`]);
  const unidentified = [{ allocation: "a", since: "2026-11-24T06:00:00.000Z" }];
  expect(await scrapeNow(`${name} `, { unidentified })).toEqual([`${name} 1`]);
});
