import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClusterStatus, RuleSetStatus } from "../../lib/status/cluster-status.ts";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { runCommand, type CommandOutcome } from "../support/command.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import type { Container } from "../support/container.ts";
import { parseOwnJson, type JsonObject } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import { conflistOf, savedRules, tell } from "./running-node.ts";

/** The contract is 2 s; what it took is told, and a loaded machine does not decide. */
const DEADLINE_MS = 5_000;

const names = ["n1", "n2", "n3"] as const;
type Name = (typeof names)[number];

interface Member {
  readonly node: ClientNode;
  readonly container: Container;
  watcher: Watcher;
}

let consul: ConsulAgent;
const members = new Map<Name, Member>();

/** Job web runs on n1 and n2, twice on n1; job api on n3. */
beforeAll(async () => {
  await ensurePackages({ docker: false });
  consul = await startConsul({ binary: await ensureConsul() });
  for (const name of names) {
    const node = await createNode({ backend: "nft", name });
    const conflist = conflistOf(node);
    const identity = { region: "global", namespace: "default", job: name === "n3" ? "api" : "web", group: "app" };
    const container = await node.attach({ conflist, identity });
    if (name === "n1") await node.attach({ conflist, identity });
    members.set(name, { node, container, watcher: await start(node) });
  }
  await untilCluster("three watchers to report", ({ nodes }) => nodes.filter(({ isInSync }) => isInSync).length === 3);
}, 120_000);

afterAll(async () => {
  await Promise.all([...members.values()].map(({ node }) => node.close()));
  await consul.close();
});

function start(node: ClientNode): Promise<Watcher> {
  return startWatcher(node, { env: { CONSUL_HTTP_ADDR: consul.unixUrl } });
}

function member(name: Name): Member {
  const found = members.get(name);
  if (!found) throw new Error(`Cannot use ${name}: it has not been made`);
  return found;
}

function outbound(...words: readonly string[]): Promise<CommandOutcome> {
  return runCommand([outboundPath, ...words], { env: { CONSUL_HTTP_ADDR: consul.unixUrl }, allowFailure: true });
}

async function readCluster(...words: readonly string[]): Promise<ClusterStatus> {
  return parseOwnJson<ClusterStatus>((await outbound("status", ...words, "--json")).stdout);
}

async function untilCluster(
  what: string,
  is: (cluster: ClusterStatus) => boolean,
  { sinceMs = monotonicMs(), deadlineMs = DEADLINE_MS } = {},
): Promise<ClusterStatus> {
  let last: ClusterStatus | undefined;
  const look = async (): Promise<ClusterStatus | false> => {
    last = await readCluster();
    return is(last) && last;
  };
  const cluster = await waitUntil(look, { what, timeoutMs: deadlineMs }).catch((cause: unknown) => {
    throw new Error(`Cannot see ${what}: the last status was ${JSON.stringify(last, undefined, 1)}`, { cause });
  });
  tell(`status: ${what}`, monotonicMs() - sinceMs);
  return cluster;
}

/** Waits until the rule set looks so, and returns what it looks like. */
async function untilRuleSet(key: string, like: Partial<RuleSetStatus>, options = {}): Promise<RuleSetStatus> {
  const find = ({ ruleSets }: ClusterStatus) =>
    ruleSets.find((each) => each.key === key && Object.entries(like).every(([name, value]) => has(each, name, value)));
  const cluster = await untilCluster(`${key} ${like.state}`, (each) => find(each) !== undefined, options);
  const ruleSet = find(cluster);
  if (!ruleSet) throw new Error(`Cannot find ${key}`);
  return ruleSet;
}

function has(object: object, name: string, value: unknown): boolean {
  return Object.entries(object).some((entry) => entry[0] === name && entry[1] === value);
}

async function put(key: string, value: string | JsonObject): Promise<{ readonly sinceMs: number }> {
  const sinceMs = monotonicMs();
  await consul.put(`outbound/rules/${key}`, value);
  return { sinceMs };
}

/** What people see: it fits 80 columns, and the exit code goes with it. */
async function show(...words: readonly string[]): Promise<CommandOutcome> {
  const shown = await outbound("status", ...words);
  expect(shown.stderr).toBe("");
  for (const line of shown.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  return shown;
}

const deny = { host: "203.0.113.7", action: "DROP" };
const denyMore = { host: "203.0.113.0/24", action: "DROP" };

test("a good rule set is in force on all three nodes, on four attachments", async () => {
  const putAt = await put("global/good", deny);
  const ruleSet = await untilRuleSet("global/good", { state: "in-force" }, putAt);
  expect(ruleSet).toMatchObject({ attachments: 4, nodes: names.map((node) => ({ node, state: "applied" })) });
  const { stdout, exitCode } = await show("global/good");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/in force: version \d+, on 3 of 3 nodes, 4 attachments/);
});

test("a bad value is rejected, with why, and the nodes that keep the last good version", async () => {
  await put("global/worse", deny);
  const before = await untilRuleSet("global/worse", { state: "in-force" });
  const putAt = await put("global/worse", { rules: [{ ...deny, protocol: "tcp" }] });
  const ruleSet = await untilRuleSet("global/worse", { state: "rejected" }, putAt);
  expect(ruleSet.nodes).toMatchObject(
    names.map((node) => ({ node, state: "rejected", modifyIndex: before.modifyIndex, has: "in-force" })),
  );
  expect(ruleSet.issues).toMatchObject([{ path: "$.rules[0].protocol" }]);
  const { stdout, exitCode } = await show("worse", "--global");
  expect(exitCode).toBe(1);
  expect(stdout).toContain("the last good version stays in force");
  expect(stdout).toContain("$.rules[0].protocol");
  expect((await show()).exitCode).toBe(1);
  const mended = await put("global/worse", denyMore);
  await untilRuleSet("global/worse", { state: "in-force" }, mended);
});

test("a job's rule set is in force on the two nodes that run it, and the third writes nothing", async () => {
  const read = async () => (await consul.request({ path: "/v1/kv/outbound/status/n3" })).body;
  const before = await read();
  const putAt = await put("namespace/default/job/web/own", deny);
  const ruleSet = await untilRuleSet("namespace/default/job/web/own", { state: "in-force" }, putAt);
  expect(ruleSet.nodes.map(({ node, attachments }) => [node, attachments])).toEqual([
    ["n1", 2],
    ["n2", 1],
  ]);
  expect(await read()).toBe(before);
  const { stdout, exitCode } = await show("own", "--namespace", "default", "--job", "web", "--wait");
  expect(exitCode).toBe(0);
  expect(stdout).toContain("on 2 of 2 nodes, 3 attachments");
});

test("a job's name misspelt matches no allocation on any node, and the right one is named", async () => {
  const putAt = await put("namespace/default/job/wbe/own", deny);
  const ruleSet = await untilRuleSet("namespace/default/job/wbe/own", { state: "unmatched" }, putAt);
  expect(ruleSet.near).toEqual([{ kind: "job", namespace: "default", job: "web" }]);
  const { stdout, exitCode } = await show("own", "--namespace", "default", "--job", "wbe", "--wait");
  expect(exitCode).toBe(3);
  expect(stdout.replaceAll(/\s+/g, " ")).toContain(
    "matches no allocation on any node: did you mean --namespace default --job web",
  );
});

test("a key that fits no scope is told, with what would", async () => {
  const putAt = await put("globl/lost", deny);
  const isTold = ({ unknownKeys }: ClusterStatus) => unknownKeys.some(({ key }) => key === "globl/lost");
  await untilCluster("a key that fits no scope", isTold, putAt);
  const { stdout, exitCode } = await show();
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/fit no scope[^]*globl\/lost\n +found no scope, expected/);
  await consul.delete("outbound/rules/globl/lost");
});

test("audit and an end are told as they are", async () => {
  await put("global/later", { rules: [deny], mode: "audit" });
  await untilRuleSet("global/later", { state: "audit" });
  expect((await show("global/later")).exitCode).toBe(0);
  const putAt = await put("global/short", { rules: [deny], expiresAt: new Date(Date.now() + 2500).toISOString() });
  await untilRuleSet("global/short", { state: "in-force" }, putAt);
  await untilRuleSet("global/short", { state: "expired" }, { deadlineMs: 10_000 });
  const { stdout, exitCode } = await show("global/short");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/expired at .*, \d+s ago/);
});

test("a rule set that is removed is gone from every node", async () => {
  await put("global/removed", deny);
  await untilRuleSet("global/removed", { state: "in-force" });
  const sinceMs = monotonicMs();
  await consul.delete("outbound/rules/global/removed");
  const { exitCode, stdout } = await show("global/removed", "--wait");
  tell("status: removed, by --wait", monotonicMs() - sinceMs);
  expect(exitCode).toBe(1);
  expect(stdout).toContain("There is no rule set global/removed");
});

test("put and rm wait, when told to, until it is so on every node, and end with what became of it", async () => {
  const rule = ["--host", "203.0.113.9", "--action", "DROP", "--wait"];
  const put = await outbound("rules", "put", "waited", "--namespace", "default", "--job", "web", ...rule);
  expect(put).toMatchObject({ exitCode: 0, stderr: "" });
  expect(put.stdout).toMatch(/Written: ModifyIndex \d+\n[\s\S]*in force: version \d+, on 2 of 2 nodes, 3 attachments/);
  for (const name of ["n1", "n2"] as const) expect(await savedRules(member(name).node)).toContain("203.0.113.9");

  const misspelt = await outbound("rules", "put", "waited", "--namespace", "default", "--job", "wbe", ...rule);
  expect(misspelt.exitCode).toBe(3);
  await outbound("rules", "rm", "waited", "--namespace", "default", "--job", "wbe");

  const removed = await outbound("rules", "rm", "waited", "--namespace", "default", "--job", "web", "--wait");
  expect(removed).toMatchObject({ exitCode: 0, stderr: "" });
  for (const name of names) expect(await savedRules(member(name).node)).not.toContain("203.0.113.9");
});

test("a watcher that is stopped leaves no status, at once, and the others are right", async () => {
  await put("global/stopped", deny);
  await untilRuleSet("global/stopped", { state: "in-force" });
  const n3 = member("n3");
  expect(await n3.watcher.stop()).toBe(0);
  expect(await consul.get("outbound/status/n3")).toBeUndefined();
  const cluster = await readCluster();
  expect(cluster.nodes.map(({ node }) => node)).toEqual(["n1", "n2"]);
  expect(cluster.ruleSets.find(({ key }) => key === "global/stopped")).toMatchObject({
    state: "in-force",
    nodes: [{ node: "n1" }, { node: "n2" }],
  });
  const sinceMs = monotonicMs();
  n3.watcher = await start(n3.node);
  await untilCluster("the third again", ({ nodes }) => nodes.filter(({ isInSync }) => isInSync).length === 3, {
    sinceMs,
  });
});

test("a watcher that is killed keeps its rules and is told to, is pending for the next, and right once it is back", async () => {
  const key = "namespace/default/job/web/kept";
  await put(key, deny);
  const before = await untilRuleSet(key, { state: "in-force" });
  const n2 = member("n2");
  const rules = await savedRules(n2.node);
  await n2.watcher.kill();
  expect((await readCluster()).ruleSets.find((each) => each.key === key)).toEqual(before);

  const putAt = await put(key, denyMore);
  const ruleSet = await untilRuleSet(key, { state: "pending" }, putAt);
  const isFirstThere = (each: ClusterStatus) =>
    each.ruleSets.find((set) => set.key === key)?.nodes.some(({ state }) => state === "applied") === true;
  const pending = (await untilCluster("n1 alone to have it", isFirstThere, putAt)).ruleSets.find(
    (set) => set.key === key,
  );
  expect(pending).toMatchObject({
    state: "pending",
    modifyIndex: ruleSet.modifyIndex,
    nodes: [
      { node: "n1", state: "applied", modifyIndex: ruleSet.modifyIndex },
      { node: "n2", state: "pending", modifyIndex: before.modifyIndex, has: "in-force" },
    ],
  });
  expect(await savedRules(n2.node)).toBe(rules);
  const waited = await show(key, "--wait", "--timeout", "1s");
  expect(waited.exitCode).toBe(1);
  expect(waited.stdout).toMatch(/PENDING: version \d+, on 1 of 2 nodes/);
  expect(waited.stdout).toMatch(/n2 +1 +\d+ {2}in force, PENDING/);

  const sinceMs = monotonicMs();
  const waiting = show(key, "--wait", "--timeout", "10s");
  n2.watcher = await start(n2.node);
  expect(await waiting).toMatchObject({ exitCode: 0 });
  tell("status: killed and started again, by --wait", monotonicMs() - sinceMs);
  expect((await readCluster()).nodes).toHaveLength(3);
});

test("with no watcher left nobody says that anything is in force", async () => {
  for (const each of members.values()) await each.watcher.stop();
  const { stdout, exitCode } = await show("global/good");
  expect(exitCode).toBe(1);
  expect(stdout).toContain("UNKNOWN");
  expect(stdout).toContain("No watcher reports");
  expect((await show()).exitCode).toBe(1);
});
