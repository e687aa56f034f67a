import { expect, test } from "vitest";
import type { KernelListings } from "../../../../lib/inspect/kernel-listings.ts";
import { indexListing } from "../../../../lib/netfilter/listing-index.ts";
import { createCompiler } from "../../../../lib/netfilter/compile-node.ts";
import type { ObservedConnection } from "../../../../lib/observed/connection.ts";
import type { Attachment } from "../../../../lib/policy/attachment.ts";
import type { RuntimeRules } from "../../../../lib/policy/runtime-rules.ts";
import type { ClusterView } from "../../../../lib/web/cluster-verdict.ts";
import { describeCluster } from "../../../../lib/status/cluster-status.ts";
import { applyAnswer, createSnapshot } from "../../../../watcher/snapshot.ts";
import type { WatchState } from "../../../../watcher/watch.ts";
import { createPages } from "../../../../watcher/web/pages.ts";
import { attachmentOf } from "../../../support/attachment.ts";
import { rule } from "../../policy/fixtures.ts";
import { entriesOf, NOW_MS, ruleSetOf, statusOf } from "../../status/fixtures.ts";

/** What would be markup, turn the text, or be longer than any page, wherever somebody else has a word. */
const EVIL = `"'><i data-evil onload=x>&\u202E\u0000${"y".repeat(10_000)}`;

const web = attachmentOf({
  policy: { staticRules: [rule({ host: "10.0.0.53", proto: "udp", port: 53, action: "ACCEPT" })], logDenied: true },
});
const denied: ObservedConnection = {
  allocation: web.containerId,
  network: "egress",
  namespace: "default",
  job: "web",
  group: "app",
  decision: { kind: "denied" },
  protocol: "tcp",
  destination: "203.0.113.9",
  port: 443,
  firstSeen: "2026-11-24T11:00:00.000Z",
  lastSeen: "2026-11-24T11:59:50.000Z",
  lines: 7,
};

interface World {
  readonly attachments?: readonly Attachment[];
  readonly runtimeRules?: RuntimeRules;
  readonly kv?: Readonly<Record<string, string>>;
  readonly connections?: readonly ObservedConnection[];
  readonly state?: Partial<WatchState>;
  readonly cluster?: ClusterView;
  readonly node?: string;
}

const nothing: ClusterView = { cluster: undefined, atMs: undefined, problem: undefined };

/** The page at a path, of a node whose kernel has what it should and has counted 1,234 packets of 100 bytes for each rule. */
async function get(path: string, world: World = {}): Promise<string> {
  const { attachments = [web], kv = {}, connections = [], cluster = nothing, node = "n1" } = world;
  const entries = Object.entries(kv).map(([key, value], index) => ({
    key,
    modifyIndex: index + 1,
    value: new TextEncoder().encode(value),
  }));
  const start = createSnapshot(world.runtimeRules ?? { node, ruleSets: [] });
  const { snapshot } = applyAnswer(start, { prefix: "", entries }, { nowMs: NOW_MS - 60_000 });
  const applied = { runtimeRules: snapshot.runtimeRules, nowMs: NOW_MS };
  const state: WatchState = {
    snapshot,
    prefixes: [
      { prefix: "global/", status: "ok", index: "4711", lastSuccessMs: NOW_MS - 12_000, consecutiveFailures: 0 },
    ],
    isInSync: true,
    attachments,
    applied,
    audited: [],
    unidentified: [],
    ...world.state,
  };
  const { chains } = createCompiler(4).compileNode(attachments, applied);
  const lines = [...chains.values()].flatMap(({ name, rules }) => [
    `:${name} - [0:0]`,
    ...rules.map(({ text }) => `[1234:123400] -A ${name} ${text}`),
  ]);
  const index = await indexListing(lines.join("\n"), () => Promise.resolve());
  const listings: KernelListings = { 4: index, 6: "absent" };
  const pages = createPages(
    { node, version: "1.2.3" },
    {
      state: () => state,
      connections: () => connections,
      kernel: { get: () => Promise.resolve({ listings, atMs: NOW_MS - 3_000 }) },
      cluster: { get: () => Promise.resolve(cluster) },
      clock: { nowMs: () => NOW_MS },
    },
  );
  return (await pages.find(path)?.())?.text ?? "none";
}

/** What a person reads: without markup, one space between words. */
function words(page: string): string {
  return page
    .replaceAll(/<\/?(?:bdi|code|a|strong)\b[^>]*>/g, "")
    .replaceAll(/<(style|script)[^>]*>.*?<\/\1>|<[^>]*>/gs, " ")
    .replaceAll("&#39;", "'")
    .replaceAll("&quot;", '"')
    .replaceAll(/\s+/g, " ");
}

const DB = { rules: [{ host: "10.1.2.3", proto: "tcp", port: 5432, action: "ACCEPT", comment: "orders db" }] };

test("the node's page says that it is in sync, what is attached and how much was denied", async () => {
  const text = words(await get("/", { connections: [denied] }));
  expect(text).toContain("In sync What Consul KV says is in the kernel.");
  expect(text).toContain("default/web/app 8623ac7a egress 10.88.0.2 fd00:88::2 yes DROP 1,234 123,400");
  expect(text).toContain("11:59:50Z 10s ago tcp 203.0.113.9:443 default/web/app 8623ac7a 7");
  expect(text).toContain("global/ read 4711 11:59:48Z 12s ago");
  expect(text).toContain("As of 2026-11-24 12:00:00Z . Counters were read 3s before.");
});

test("an allocation of which it is not known whose it is says so, since when and why, on both pages", async () => {
  const { containerId } = web;
  const unknown = { ...web, identity: {} };
  const unidentified = [{ allocation: containerId, since: web.addedAt, problem: "Nomad refuses the token" }];
  const world: World = { attachments: [unknown], state: { unidentified } };
  for (const path of ["/", `/attachments/${containerId}`]) {
    expect(words(await get(path, world))).toContain("Nomad refuses the token");
    expect(words(await get(path))).not.toContain("Nomad refuses the token");
  }
});

test("a node that is not in sync says so first, and why", async () => {
  const failing = { kind: "unreachable", message: "connect ECONNREFUSED", atMs: NOW_MS } as const;
  const prefixes = [{ prefix: "global/", status: "failing", lastFailure: failing, consecutiveFailures: 3 } as const];
  const page = await get("/", { state: { isInSync: false, prefixes } });
  expect(page).toContain("<title>NOT IN SYNC · n1 · outbound</title>");
  expect(words(page)).toContain("Not in sync: the last good rules stay in force global/: connect ECONNREFUSED");
  expect(words(page)).toContain("global/ cannot be read connect ECONNREFUSED – never");
});

test("a value that is refused is shown with its error, the place of that, and what stays in force", async () => {
  const runtimeRules = { node: "n1", ruleSets: [ruleSetOf("global/a", 7)] };
  const kv = { "global/a": '{\n "rules": [{"action": "DROPP"}]\n}', "global/b": "[", nowhere: "[]" };
  const text = words(await get("/", { kv, runtimeRules }));
  expect(text).toContain("In sync, but 3 keys in KV are not in force");
  expect(text).toMatch(
    /global\/a version 1 line 2, column 23: \$\.rules\[0\]\.action: found "DROPP".*? version 7 11:59:00Z/,
  );
  expect(text).toMatch(/global\/b version 2 line 1, column 2: .*? nothing of it/);
  expect(text).toMatch(/nowhere found no scope/);
});

test("what was denied is not known where no conflist has it logged", async () => {
  expect(words(await get("/", { attachments: [attachmentOf()] }))).toContain("no conflist here has logDenied");
});

test("an allocation's page has its rules in order of decision, with where each is from, and what it has counted", async () => {
  const kv = {
    "namespace/default/job/web/db": JSON.stringify({
      ...DB,
      expiresAt: "2026-11-24T14:00:00Z",
      description: "of team a",
    }),
    "global/deny": JSON.stringify({ host: "169.254.169.254", action: "DROP" }),
    "namespace/default/tried": JSON.stringify({ mode: "audit", rules: [{ host: "10.9.9.9", action: "DROP" }] }),
    "namespace/default/old": JSON.stringify({
      rules: [{ host: "10.8.8.8", action: "DROP" }],
      expiresAt: "2026-11-24T11:00:00Z",
    }),
  };
  const text = words(await get(`/attachments/${web.containerId.slice(0, 6)}`, { kv, connections: [denied] }));
  const order = [
    "1. Runtime and job rules that deny DROP all to 169.254.169.254 KV global/deny[0] 1,234 123,400",
    "2. Static rules ACCEPT udp to 10.0.0.53 port 53 conflist outboundRules[0] 1,234 123,400",
    "3. Runtime and job rules that accept ACCEPT tcp to 10.1.2.3 port 5432 orders db KV namespace/default/job/web/db[0] 1,234",
    "4. Default action DROP everything else conflist defaultAction 1,234 123,400",
    "global/deny every attachment enforced 2 never",
    "namespace/default/job/web/db of team a job web enforced 1 14:00:00Z in 2h",
    "namespace/default/tried namespace default audited: decides nothing",
    "namespace/default/old namespace default expired",
    "tcp 203.0.113.9:443",
    "Audited These decide nothing",
    "Not deciding now KV namespace/default/old: expired, 1 rule DROP all to 10.8.8.8",
  ];
  const places = order.map((each) => text.indexOf(each));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(places).not.toContain(-1);
});

test("an allocation is found by its chain, and a start that fits several names them", async () => {
  const other = attachmentOf({ containerId: "86230000", chain: "CNI-OUT-00000000000000000000" });
  const attachments = [web, other];
  expect(await get(`/attachments/${other.chain}`, { attachments })).toContain("<title>86230000 ·");
  expect(words(await get("/attachments/8623", { attachments }))).toContain('"8623" fits 2');
  expect(words(await get("/attachments/x%zz"))).toContain("No such allocation");
});

test("1,000 attachments are shown a part at a time, and found by a part of what is known of them", async () => {
  const attachments = Array.from({ length: 1000 }, (_, index) =>
    attachmentOf({
      containerId: `${String(index).padStart(8, "0")}-aaaa`,
      identity: { namespace: "default", job: `job-${String(index).padStart(3, "0")}`, group: "app" },
    }),
  );
  const first = await get("/", { attachments });
  expect(words(first)).toContain("1,000 attachments, 50 on page 1 of 20.");
  expect(first.length).toBeLessThan(60_000);
  expect(words(await get("/?page=20", { attachments }))).toContain("default/job-999/app");
  expect(words(await get("/?page=99999999999999999999", { attachments }))).toContain("Page 20 of 20");
  expect(words(await get("/?page=-3&x=%ff%zz", { attachments }))).toContain("Page 1 of 20");
  const found = words(await get("/?q=JOB-77", { attachments }));
  expect(found).toContain("10 attachments like “JOB-77”.");
  expect(found).not.toContain("default/job-780/");
});

test("the cluster's page has every node and rule set, those with a problem first", async () => {
  const cluster = describeCluster(
    {
      entries: entriesOf(["global/own", 9, { host: "203.0.113.7", action: "DROP" }], ["global/bad", 8, {}]),
      statuses: [
        statusOf("n1", { ruleSets: [ruleSetOf("global/own", 9)] }),
        statusOf("n2", {
          ruleSets: [ruleSetOf("global/own", 5)],
          isInSync: false,
          problems: ["it is out"],
          version: "0.9",
        }),
      ],
      unreadable: [{ node: "n3", problem: "it is not JSON" }],
      hidesRules: false,
      hidesStatuses: false,
    },
    { includes: () => true, nowMs: NOW_MS },
  );
  const text = words(await get("/cluster", { cluster: { cluster, atMs: NOW_MS, problem: undefined } }));
  expect(text).toContain("Not every node is in sync");
  expect(text).toMatch(/n2 NO it is out 1 1 2 0\.9 n1 yes 0 1 2 0\.1\.0/);
  expect(text).toContain("n3: its status cannot be read: it is not JSON");
  expect(text).toMatch(/global\/bad .* REJECTED 0\/2 4 8/);
  expect(text).toMatch(/global\/own n2: has version 5, in force PENDING 1\/2 4 9/);
});

test("where Consul cannot be asked, that is said, and what it said before with its age", async () => {
  const known = describeCluster(
    { entries: [], statuses: [statusOf("n1")], unreadable: [], hidesRules: false, hidesStatuses: false },
    { includes: () => true, nowMs: NOW_MS },
  );
  const problem = "connect ECONNREFUSED";
  const old = words(await get("/cluster", { cluster: { cluster: known, atMs: NOW_MS - 60_000, problem } }));
  expect(old).toContain("Consul cannot be asked connect ECONNREFUSED What follows is what it said 11:59:00Z 1m ago");
  const never = words(await get("/cluster", { cluster: { ...nothing, problem } }));
  expect(never).toContain("Consul cannot be asked connect ECONNREFUSED");
  expect(never).not.toContain("Nodes");
});

test("nobody's names, rules or errors become markup, turn text or make a page long, on any page", async () => {
  const identity = { region: EVIL, namespace: EVIL, job: EVIL, group: EVIL };
  const evilRule = rule({ host: "10.1.1.1", action: "DROP", comment: EVIL.slice(0, 1000) });
  const evil = attachmentOf({
    identity,
    network: EVIL,
    containerId: EVIL,
    ifname: EVIL,
    jobRules: [evilRule],
    policy: { staticRules: [evilRule], logDenied: true },
  });
  const ruleSets = ["global/a", "global/b"].map((key) =>
    ruleSetOf(key, 1, { rules: [], description: EVIL, mode: "audit" }),
  );
  const world: World = {
    node: EVIL,
    attachments: [evil],
    runtimeRules: { node: EVIL, ruleSets },
    kv: { [`global/${EVIL}`]: EVIL, [`x/${EVIL}`]: EVIL, "global/c": JSON.stringify({ [EVIL]: EVIL, action: EVIL }) },
    connections: [{ ...denied, ...identity, allocation: EVIL, network: EVIL, protocol: EVIL, destination: EVIL }],
    state: { isInSync: false, problem: EVIL },
    cluster: {
      cluster: {
        ruleSets: [],
        unknownKeys: [{ key: EVIL, reason: EVIL }],
        nodes: [{ node: EVIL, version: EVIL, isInSync: false, problems: [EVIL], attachments: 1 }],
        unreadable: [{ node: EVIL, problem: EVIL }],
        hidesRules: true,
        hidesStatuses: true,
      },
      atMs: NOW_MS,
      problem: EVIL,
    },
  };
  for (const path of [
    "/",
    `/?q=${encodeURIComponent(EVIL)}`,
    `/attachments/${evil.chain}`,
    "/attachments/zz",
    "/cluster",
  ]) {
    const page = await get(path, world);
    expect(page.startsWith("<!doctype html>")).toBe(true);
    expect(page.includes("<i data-evil")).toBe(false);
    expect(page.includes("data-evil")).toBe(true);
    for (const character of ["\u202E", "\u0000"]) expect(page.includes(character)).toBe(false);
    expect(page.length).toBeLessThan(40_000);
  }
});

test("what is no page is none", async () => {
  for (const path of ["/index.html", "//", "/attachments", "/__proto__", "/constructor", "/live.js/", ""]) {
    expect(await get(path)).toBe("none");
  }
});
