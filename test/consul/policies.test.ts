import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Check } from "../../lib/doctor/check.ts";
import { formatNodeStatus } from "../../lib/status/node-status.ts";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import type { CommandOutcome } from "../support/command.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import { containing } from "../support/containing.ts";
import { parseOwnJson } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher } from "../support/watcher.ts";
import { ruleSetOf, statusOf } from "../unit/status/fixtures.ts";

const DENY = { rules: [{ host: "198.51.100.1", action: "DROP" }] };
const keys = ["global/own", "node/n1/own", "network/lab/own", "namespace/team-a/own", "namespace/team-ab/own"];

let node: ClientNode;
let consul: ConsulAgent;
let tokens: Readonly<Record<"watcher" | "strict" | "neighbour" | "author" | "reader", string>>;

beforeAll(async () => {
  await ensurePackages({ docker: false });
  node = await createNode({ backend: "nft", name: "n1" });
  consul = await startConsul({ binary: await ensureConsul(), inNamespace: node, acl: true });
  const watcher = await policy("watch");
  const [shared = "", own = ""] = watcher.split("\n\n# What it says of its node");
  const strict = own.slice(own.indexOf('# key "')).replaceAll(/^# /gm, "");
  const strictFor = (name: string) =>
    `${shared}\n${strict}`.replace("<node>", name).replace("<the agent's node name>", "consul");
  tokens = {
    watcher: await consul.createToken(watcher),
    strict: await consul.createToken(strictFor("n1")),
    neighbour: await consul.createToken(strictFor("n2")),
    author: await consul.createToken(await policy("author")),
    reader: await consul.createToken(await policy("reader")),
  };
  await writeFile(join(node.directory, "rules.json"), JSON.stringify(DENY));
}, 900_000);

afterAll(async () => {
  await node.close();
  await consul.close();
});

beforeEach(async () => {
  await consul.delete("outbound/", { recurse: true });
  for (const key of keys) await consul.put(`outbound/rules/${key}`, DENY);
  const ruleSets = keys.map((key) => ruleSetOf(key, 1));
  await consul.put("outbound/status/n9", formatNodeStatus(statusOf("n9", { ruleSets })));
});

function policy(name: "watch" | "author" | "reader"): Promise<string> {
  return readFile(join(import.meta.dirname, "..", "..", "nomad", `outbound-${name}.policy.hcl`), "utf8");
}

function outbound(token: string, ...words: readonly string[]): Promise<CommandOutcome> {
  const env = { CONSUL_HTTP_ADDR: consul.unixUrl, CONSUL_HTTP_TOKEN: token };
  return node.exec([outboundPath, ...words], { cwd: node.directory, env, allowFailure: true });
}

/** All of KV: what a command that was refused has left must be what was there before it. */
async function everything(): Promise<unknown> {
  const { body } = await consul.request({ path: "/v1/kv/?recurse" });
  return z
    .array(z.object({ Key: z.string(), Value: z.string().nullable(), ModifyIndex: z.number() }))
    .parse(JSON.parse(body));
}

const teamA = ["--namespace", "team-a"];
const file = ["-f", "rules.json"];
const write = ["--host", "203.0.113.9", "--action", "DROP"];

/** Commands that write, in every scope that nobody but an operator may write to. */
const foreignWrites: readonly (readonly string[])[] = [
  ["rules", "put", "global/new", ...write],
  ["rules", "put", "global/own", ...write],
  ["rules", "rm", "global/own"],
  ["rules", "put", "own", "--node", "n1", ...write],
  ["rules", "put", "own", "--network", "lab", ...write],
  ["rules", "put", "own", "--namespace", "team-ab", ...write],
  ["rules", "put", "new", "--namespace", "team-a-b", ...write],
  ["rules", "rm", "own", "--namespace", "team-ab"],
];
const ownWrites: readonly (readonly string[])[] = [
  ["rules", "put", "own", ...teamA, ...write],
  ["rules", "put", "new", ...teamA, "--job", "web", ...write],
  ["rules", "rm", "own", ...teamA],
];

/** What became of a command that must be refused; its message says what the token lacks, in Consul's own words. */
async function attempt(token: string, words: readonly string[]) {
  const before = JSON.stringify(await everything());
  const { exitCode, stderr } = await outbound(token, ...words);
  return {
    exitCode,
    stderr,
    isClear: /^outbound: Cannot .* policy = "/s.test(stderr) && !stderr.includes(token),
    isAsBefore: JSON.stringify(await everything()) === before,
  };
}

const refused = { exitCode: 1, isClear: true, isAsBefore: true };

describe("the author of one namespace", () => {
  test.each(ownWrites.map((words) => [words.join(" "), words] as const))("may: outbound %s", async (_, words) => {
    const before = await everything();
    expect(await outbound(tokens.author, ...words)).toMatchObject({ exitCode: 0 });
    expect(await everything()).not.toEqual(before);
  });

  test.each(foreignWrites.map((words) => [words.join(" "), words] as const))(
    "may not: outbound %s",
    async (_, words) => {
      expect(await attempt(tokens.author, words)).toMatchObject(refused);
    },
  );

  test("reads its own and what else applies to it, and no other namespace's", async () => {
    const listed = await outbound(tokens.author, "rules", "list", "--json");
    const { ruleSets } = parseOwnJson<{ readonly ruleSets: readonly { readonly key: string }[] }>(listed.stdout);
    expect(ruleSets.map(({ key }) => key).toSorted()).toEqual(keys.slice(0, 4).toSorted());
    for (const scope of [["--global"], ["--node", "n1"], ["--network", "lab"], teamA]) {
      expect(await outbound(tokens.author, "rules", "get", "own", ...scope)).toMatchObject({ exitCode: 0 });
    }
    const others = ["rules", "get", "own", "--namespace", "team-ab"];
    expect(await attempt(tokens.author, others)).toMatchObject(refused);
  });

  test("plans a change of its own, compared with all that applies, and knows where it is in force", async () => {
    const planned = await outbound(tokens.author, "plan", "new", ...teamA, ...file);
    expect(planned.exitCode).toBeLessThan(2);
    expect(`${planned.stdout}${planned.stderr}`).not.toMatch(/may not|may list no more/);
    const status = await outbound(tokens.author, "status", "own", ...teamA, "--json");
    expect(status.stderr).toBe("");
    expect(parseOwnJson(status.stdout)).toMatchObject({
      hidesRules: false,
      hidesStatuses: false,
      nodes: [{ node: "n9" }],
    });
  });
});

describe("a reader", () => {
  test.each([...ownWrites, ...foreignWrites].map((words) => [words.join(" "), words] as const))(
    "may not: outbound %s",
    async (_, words) => {
      expect(await attempt(tokens.reader, words)).toMatchObject(refused);
    },
  );

  test("reads every rule set and every node's status, and plans", async () => {
    const listed = await outbound(tokens.reader, "rules", "list", "--json");
    const { ruleSets } = parseOwnJson<{ readonly ruleSets: readonly unknown[] }>(listed.stdout);
    expect(ruleSets).toHaveLength(keys.length);
    expect(await outbound(tokens.reader, "rules", "get", "global/own")).toMatchObject({ exitCode: 0 });
    expect(await outbound(tokens.reader, "status", "--json")).toMatchObject({
      stdout: containing('"hidesRules": false'),
    });
    expect((await outbound(tokens.reader, "plan", "new", ...teamA, ...file)).exitCode).toBeLessThan(2);
  });
});

describe.each(["watcher", "strict"] as const)("the watcher's policy (%s)", (kind) => {
  test.each([...ownWrites, ...foreignWrites].map((words) => [words.join(" "), words] as const))(
    "may not: outbound %s",
    async (_, words) => {
      expect(await attempt(tokens[kind], words)).toMatchObject(refused);
    },
  );

  test("lets the watcher read every rule and tell its status, and doctor finds nothing to say of it", async () => {
    const watcher = await startWatcher(node, { env: environmentOf(tokens[kind]) });
    await watcher.waitForLine("In sync with Consul");
    await waitUntil(async () => (await consul.get("outbound/status/n1"))?.includes('"isInSync":true'), {
      what: "the status",
    });
    const { stdout } = await outbound(tokens[kind], "doctor", "--json", "--node", "n1", ...folders());
    const { checks } = parseOwnJson<{ readonly checks: readonly Check[] }>(stdout);
    const ofConsul = checks.filter(({ name }) => name === "rules in KV" || name === "status in KV");
    expect(ofConsul.map(({ name, state }) => ({ name, state }))).toEqual(
      ["rules in KV", "status in KV"].map((name) => ({ name, state: "ok" })),
    );
    expect(watcher.lines().filter(({ level }) => level !== "info")).toEqual([]);
    await watcher.stop();
    expect(await consul.get("outbound/status/n1")).toBeUndefined();
  });
});

test("with the strict policy a watcher cannot write another node's status, says so once, and goes on", async () => {
  await consul.put("outbound/status/n1", "of n1");
  const watcher = await startWatcher(node, { env: environmentOf(tokens.neighbour) });
  await watcher.waitForLine("In sync with Consul");
  await watcher.waitForLine("Cannot write this node's status, outbound status will not see it");
  expect((await watcher.ready()).status).toBe(200);
  await watcher.stop();
  expect(watcher.lines().filter(({ level }) => level !== "info")).toHaveLength(1);
  expect(await consul.get("outbound/status/n1")).toBe("of n1");
});

test.each(["author", "reader"] as const)(
  "a watcher with the %s's token keeps its last rules, and writes nothing",
  async (kind) => {
    const before = await everything();
    const watcher = await startWatcher(node, { env: environmentOf(tokens[kind]) });
    await watcher.waitForLine("Cannot write this node's status, outbound status will not see it");
    await watcher.stop();
    expect(await everything()).toEqual(before);
  },
);

function environmentOf(token: string): Readonly<Record<string, string>> {
  return { CONSUL_HTTP_ADDR: consul.unixUrl, CONSUL_HTTP_TOKEN: token };
}

function folders(): readonly string[] {
  return ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir];
}
