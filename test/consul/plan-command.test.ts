import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createAttachmentStore } from "../../lib/host/attachment-store.ts";
import { silentLog as log } from "../../lib/host/log.ts";
import { writeRuntimeRulesCache } from "../../lib/host/runtime-rules-cache.ts";
import type { PlanJson } from "../../lib/plan/plan-json.ts";
import { formatNodeStatus } from "../../lib/status/node-status.ts";
import { ensureConsul } from "../setup/consul.ts";
import { attachmentOf } from "../support/attachment.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { type CommandOutcome, runCommand } from "../support/command.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import { parseOwnJson } from "../support/json.ts";
import { rule, runtimeRulesOf } from "../unit/policy/fixtures.ts";
import { appliedOf, DROP_ALL, statusOf } from "../unit/plan/fixtures.ts";

const web = ["allow-db", "--namespace", "default", "--job", "web"];
const database = { host: "10.1.2.0/24", proto: "tcp", port: 5432, action: "ACCEPT" };

let agent: ConsulAgent;
let directory: string;
let token: string | undefined;

beforeAll(async () => {
  agent = await startConsul({ binary: await ensureConsul(), acl: true });
  directory = await mkdtemp(join(tmpdir(), "cni-outbound-plan-"));
});

afterAll(async () => {
  await agent.close();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  token = agent.token;
  await agent.delete("outbound/", { recurse: true });
  await rm(join(directory, "state"), { recursive: true, force: true });
  await rm(join(directory, "cache"), { recursive: true, force: true });
  await writeFile(join(directory, "rules.json"), JSON.stringify(database));
});

function plan(...words: readonly string[]): Promise<CommandOutcome> {
  return runCommand([outboundPath, "plan", ...words, "--state-dir", "state", "--cache-dir", "cache"], {
    cwd: directory,
    env: { CONSUL_HTTP_ADDR: agent.url, CONSUL_HTTP_TOKEN: token, PATH: `${dirname(outboundPath)}:/usr/bin:/bin` },
    allowFailure: true,
  });
}

async function planJson(...words: readonly string[]): Promise<PlanJson> {
  const { stdout } = await plan(...words, "--json");
  return parseOwnJson<PlanJson>(stdout);
}

/** What two watchers tell: job web on both nodes, job api on one. */
async function tellStatus(): Promise<void> {
  const policies = [{ ...DROP_ALL, staticRules: [rule({ host: "10.1.2.7", action: "REJECT" })] }];
  const status = { policies, groups: [{ allocations: ["8f1c0001", "8f1c0002"] }] };
  await agent.put("outbound/status/n1", formatNodeStatus(statusOf("n1", status)));
  const groups = [{ allocations: ["8f1c0003"] }, { job: "api", allocations: ["8f1c0004"] }];
  await agent.put("outbound/status/n2", formatNodeStatus(statusOf("n2", { policies, groups })));
}

/** An attachment on this node, and what its watcher last knew. */
function attachHere(): void {
  const attachment = attachmentOf({ policy: { defaultAction: "REJECT" } });
  createAttachmentStore(join(directory, "state"), { log }).write(attachment);
  const rules = runtimeRulesOf({ "global/no-db": { rules: [rule({ host: "10.1.0.0/16", action: "DROP" })] } });
  writeRuntimeRulesCache(join(directory, "cache"), { rules, nowMs: Date.now() });
}

test("what would change is told for every node's attachments, and nothing is written", async () => {
  await tellStatus();
  const { exitCode, stdout, stderr } = await plan(...web, "-f", "rules.json");
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: "" });
  expect(stdout.trimEnd().split("\n")).toEqual([
    "namespace/default/job/web/allow-db: new, 1 rule",
    "+ mode: enforce",
    "+ ACCEPT tcp to 10.1.2.0/24 port 5432",
    "",
    "It applies to 3 attachments on 2 nodes:",
    "  default/web/app  3",
    "",
    "OPENS   tcp to 10.1.2.0/24 (but not 10.1.2.7) port 5432",
    "        was drop    conflist defaultAction",
    "        now accept  KV namespace/default/job/web/allow-db[0]",
    "",
    "Seen: the status of 2 nodes, with 4 attachments.",
  ]);
  expect(await agent.get("outbound/rules/namespace/default/job/web/allow-db")).toBeUndefined();
});

test("exit codes: 0 where KV stays as it is, 1 where it would change, 2 for wrong usage, 255 for failures", async () => {
  await tellStatus();
  await agent.put("outbound/rules/namespace/default/job/web/allow-db", database);
  const codes = async (...words: readonly string[]) => (await plan(...words)).exitCode;
  expect(await codes(...web, "-f", "rules.json")).toBe(0);
  expect(await codes(...web, "--rm")).toBe(1);
  expect(await codes(...web, "--mode", "audit")).toBe(1);
  expect(await codes(...web)).toBe(2);
  expect(await codes(...web, "--rm", "--mode", "audit")).toBe(2);
  expect(await codes("allow-db", "-f", "rules.json")).toBe(2);
  expect(await codes(...web, "-f", "absent.json")).toBe(255);
  expect(await codes(...web, "-f", "rules.json", "--index", "1")).toBe(255);
  expect(await codes("absent", "--global", "--rm")).toBe(255);
  await writeFile(join(directory, "rules.json"), '{ "host": "db.internal", "action": "ACCEPT" }');
  expect(await codes(...web, "-f", "rules.json")).toBe(255);
});

test("a removal, and a change of its mode alone, are planned with the rules that KV has", async () => {
  await tellStatus();
  await agent.put("outbound/rules/namespace/default/job/web/allow-db", database);
  for (const words of [["--rm"], ["--mode", "audit"]]) {
    const { effects } = await planJson(...web, ...words);
    expect(effects).toMatchObject([
      { changes: [{ change: "closes", protocols: ["tcp"], ports: "5432", after: { verdict: "drop" } }] },
    ]);
  }
});

test("what a token may not read is named, and not compared", async () => {
  await tellStatus();
  await agent.put("outbound/rules/global/no-db", { host: "10.1.0.0/16", action: "DROP" });
  const own = 'key_prefix "outbound/rules/namespace/default/" { policy = "write" }';
  token = await agent.createToken(`${own} key_prefix "outbound/status/" { policy = "read" }`);
  const { effects, notes } = await planJson(...web, "-f", "rules.json");
  expect(effects).toMatchObject([{ changes: [{ change: "opens" }] }]);
  expect(notes.join(" ")).toMatch(/may not read.*outbound\/rules\/global\/.*outbound\/rules\/node\//);
  token = agent.token;
  expect((await planJson(...web, "-f", "rules.json")).effects).toMatchObject([{ changes: [] }]);
});

test("a token that may not read the rule set itself is refused, with what it needs", async () => {
  token = await agent.createToken('key_prefix "outbound/rules/namespace/default/" { policy = "write" }');
  const { exitCode, stderr } = await plan("deny", "--global", "--host", "10.0.0.1", "--action", "DROP");
  expect(exitCode).toBe(255);
  expect(stderr).toMatch(/403.*key_prefix "outbound\/rules\/global\/" \{ policy = "read" \}/);
});

test("without the status of nodes it is this node's attachments and KV's rules, and that is said", async () => {
  attachHere();
  const { seen, effects, notes } = await planJson(...web, "-f", "rules.json");
  expect(seen).toEqual({ source: "state", nodes: 1, attachments: 1 });
  expect(effects).toMatchObject([{ changes: [{ change: "opens", before: { verdict: "reject" } }] }]);
  expect(notes.join(" ")).toMatch(/No watcher tells below outbound\/status\//);
  await tellStatus();
  token = await agent.createToken('key_prefix "outbound/rules/" { policy = "read" }');
  const blind = await planJson(...web, "-f", "rules.json");
  expect(blind.seen.source).toBe("state");
  expect(blind.notes.join(" ")).toMatch(/may not read outbound\/status\//);
});

test("with --local it asks this node alone, its cached rules too", async () => {
  attachHere();
  token = "00000000-0000-0000-0000-000000000000";
  const { effects } = await planJson(...web, "-f", "rules.json", "--local");
  expect(effects).toMatchObject([{ changes: [], idle: [{ because: [{ from: "KV global/no-db[0]" }] }] }]);
  const removal = await planJson("global/no-db", "--rm", "--local");
  expect(removal.effects).toMatchObject([{ changes: [{ change: "rejects", hosts: [{ block: "10.1.0.0/16" }] }] }]);
});

test("a version that nodes keep, as KV's is no rule set, is compared where this node's cache has it, and else told", async () => {
  const key = "namespace/default/job/web/allow-db";
  await agent.put(`outbound/rules/${key}`, "{");
  const ruleSets = [appliedOf({ key, modifyIndex: 1 })];
  const status = statusOf("n1", { groups: [{ allocations: ["8f1c0001"] }], ruleSets });
  await agent.put("outbound/status/n1", formatNodeStatus(status));
  const { stdout } = await plan(...web, "--rm");
  expect(stdout).toMatch(/^NOT ALL: n1 keeps version 1 of this rule set in force/m);
  expect(stdout).not.toMatch(/no verdict changes/i);
  expect((await planJson(...web, "--rm")).effects).toMatchObject([
    { isComplete: false, outOfStep: [key], changes: [] },
  ]);

  const rules = runtimeRulesOf({ [key]: { rules: [rule(database)] } });
  writeRuntimeRulesCache(join(directory, "cache"), { rules, nowMs: Date.now() });
  expect((await planJson(...web, "--rm")).effects).toMatchObject([
    { isComplete: true, changes: [{ change: "closes", ports: "5432" }] },
  ]);
  await agent.delete("outbound/status/n1");
  const attachment = attachmentOf({ policy: { defaultAction: "REJECT" } });
  createAttachmentStore(join(directory, "state"), { log }).write(attachment);
  expect(await planJson(...web, "--rm")).toMatchObject({
    seen: { source: "state" },
    effects: [{ isComplete: true, changes: [{ change: "closes", ports: "5432" }] }],
  });
});

test("where nobody is in a scope and no name is like it, the few that there are are told", async () => {
  await tellStatus();
  const { stdout } = await plan("allow-db", "--network", "lab", "-f", "rules.json");
  expect(stdout).toContain("It matches no allocation on any node\n  There is only --network egress\n");
});

test("the status of a watcher that is not understood is left out, and that is said", async () => {
  await tellStatus();
  await agent.put("outbound/status/n3", '{ "format": 2 }');
  const { seen, notes } = await planJson(...web, "-f", "rules.json");
  expect(seen).toEqual({ source: "status", nodes: 2, attachments: 4 });
  expect(notes.join(" ")).toContain("n3");
});

test("a node that has too much to tell is named: its attachments are not compared", async () => {
  await tellStatus();
  const big = {
    ...statusOf("n4", { policies: [], groups: [{ allocations: ["9f"] }] }),
    leftOut: ["policies"] as const,
  };
  await agent.put("outbound/status/n4", formatNodeStatus(big));
  const { notes } = await planJson(...web, "-f", "rules.json");
  expect(notes.join(" ")).toContain("not compared: attachments of n4");
});
