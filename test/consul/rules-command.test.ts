import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { formatNodeStatus } from "../../lib/status/node-status.ts";
import { ensureConsul } from "../setup/consul.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { type CommandOutcome, runCommand } from "../support/command.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import { containing } from "../support/containing.ts";
import { parseOwnJson } from "../support/json.ts";
import { statusOf } from "../unit/plan/fixtures.ts";

const key = "outbound/rules/namespace/default/job/web/allow-db";
const web = ["--namespace", "default", "--job", "web"];
const rules = [
  { host: "10.1.2.0/24", proto: "tcp", port: "5432", action: "ACCEPT", comment: "orders db" },
  { host: "10.64.0.0/10", action: "DROP" },
];

let agent: ConsulAgent;
let directory: string;
let token: string | undefined;

beforeAll(async () => {
  agent = await startConsul({ binary: await ensureConsul(), acl: true });
  directory = await mkdtemp(join(tmpdir(), "cni-outbound-rules-"));
});

afterAll(async () => {
  await agent.close();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  token = agent.token;
  await agent.delete("outbound/", { recurse: true });
  await writeFile(join(directory, "rules.json"), JSON.stringify(rules));
});

function environment() {
  return { CONSUL_HTTP_ADDR: agent.url, CONSUL_HTTP_TOKEN: token, PATH: `${dirname(outboundPath)}:/usr/bin:/bin` };
}

/** Runs `outbound rules` to its end, whatever comes of it. */
function outbound(words: readonly string[], options: { readonly input?: string } = {}): Promise<CommandOutcome> {
  return runCommand([outboundPath, "rules", ...words], {
    cwd: directory,
    env: environment(),
    allowFailure: true,
    ...options,
  });
}

async function modifyIndex(): Promise<number> {
  const { body } = await agent.request({ path: `/v1/kv/${key}` });
  const [entry] = parseOwnJson<readonly { readonly ModifyIndex: number }[]>(body);
  return entry?.ModifyIndex ?? 0;
}

describe("put", () => {
  test("writes a new rule set as canonical JSON, and shows it", async () => {
    const { exitCode, stdout } = await outbound(["put", "allow-db", ...web, "-f", "rules.json"]);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: [
        "namespace/default/job/web/allow-db: new, 2 rules",
        "+ mode: enforce",
        '+ ACCEPT tcp to 10.1.2.0/24 port 5432 ("orders db")',
        "+ DROP all to 10.64.0.0/10",
        `Written: ModifyIndex ${await modifyIndex()}`,
        "outbound status namespace/default/job/web/allow-db --wait tells when it is in force",
        "",
      ].join("\n"),
    });
    expect(await agent.get(key)).toBe(JSON.stringify({ rules, mode: "enforce" }, undefined, 2));
  });

  test("switches an audited set to enforce with one flag, its rules untouched", async () => {
    await agent.put(key, { rules, mode: "audit", description: "orders" });
    const { stdout } = await outbound(["put", "allow-db", ...web, "--mode", "enforce"]);
    expect(stdout).toContain("  mode: audit → enforce\n  2 rules unchanged\n");
    expect(parseOwnJson(String(await agent.get(key)))).toEqual({ rules, mode: "enforce", description: "orders" });
  });

  test("lets a set expire after a duration, and takes that back", async () => {
    await outbound(["put", "allow-db", ...web, "-f", "rules.json", "--for", "1h"]);
    const { expiresAt } = parseOwnJson<{ readonly expiresAt: string }>(String(await agent.get(key)));
    const leftMs = Date.parse(expiresAt) - Date.now();
    expect(leftMs).toBeGreaterThan(3_500_000);
    expect(leftMs).toBeLessThanOrEqual(3_600_000);

    await outbound(["put", "allow-db", ...web, "--no-expiry"]);
    expect(await agent.get(key)).not.toContain("expiresAt");
  });

  test("writes nothing where nothing changes, in whatever form it is given", async () => {
    await agent.put(key, rules);
    const before = await modifyIndex();
    const { exitCode, stdout } = await outbound(["put", "allow-db", ...web, "-f", "-"], {
      input: JSON.stringify({ mode: "enforce", rules }),
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain("unchanged, nothing to write");
    expect(await modifyIndex()).toBe(before);
  });

  test("refuses a file that is wrong with file, line, column and path, and writes nothing", async () => {
    await writeFile(join(directory, "bad.json"), '[\n  { "action": "DROP", "protocol": "tcp" }\n]');
    const { exitCode, stderr } = await outbound(["put", "allow-db", ...web, "-f", "bad.json"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('bad.json:2:23: $[0].protocol: unknown key "protocol", did you mean "proto"?');
    expect(await agent.get(key)).toBeUndefined();
  });

  test("replaces an invalid value by a file, and does not change it by flags", async () => {
    await agent.put(key, "not JSON");
    const changed = await outbound(["put", "allow-db", ...web, "--mode", "audit"]);
    expect(changed).toMatchObject({ exitCode: 1, stdout: "" });
    expect(changed.stderr).toContain("what KV has is invalid");

    const replaced = await outbound(["put", "allow-db", ...web, "-f", "rules.json"]);
    expect(replaced).toMatchObject({ exitCode: 0, stdout: containing("instead of an invalid value") });
  });

  test("refuses what is over Consul's limit before it writes", async () => {
    const large = Array.from({ length: 600 }, () => ({ action: "DROP", comment: "x".repeat(1000) }));
    const { exitCode, stderr } = await outbound(["put", "allow-db", ...web, "-f", "-"], {
      input: JSON.stringify(large),
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("expected at most 524288");
    expect(await agent.get(key)).toBeUndefined();
  });

  test("writes a set that fits only without indentation", async () => {
    const host = Array.from({ length: 18_000 }, (_, index) => `192.168.${100 + (index >> 8)}.${index & 255}`);
    const input = JSON.stringify({ host, action: "DROP" });
    expect(await outbound(["put", "allow-db", ...web, "-f", "-"], { input })).toMatchObject({ exitCode: 0 });
    expect(await outbound(["put", "allow-db", ...web, "-f", "-"], { input })).toMatchObject({
      stdout: containing("unchanged"),
    });
  });

  test("warns of what is probably not meant, and writes it", async () => {
    const { exitCode, stderr } = await outbound(["put", "all", "--global", "--action", "accept"]);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("It accepts everything");
    const past = ["put", "old", "--global", "--action", "drop", "--expires-at", "2020-01-01T00:00:00Z"];
    expect(await outbound(past)).toMatchObject({ exitCode: 0, stderr: containing("expired at 2020") });
  });

  test("says at once that it applies to nobody, where nodes tell what is attached to them", async () => {
    await agent.put("outbound/status/n1", formatNodeStatus(statusOf("n1", { groups: [{ allocations: ["8f1c"] }] })));
    const put = ["put", "allow-db", "--namespace", "default", "--job", "wbe", "--action", "drop"];
    const stderr = containing("matches no allocation on any node: did you mean --namespace default --job web");
    expect(await outbound(put)).toMatchObject({ exitCode: 0, stderr });
    await agent.delete("outbound/status/n1");
  });

  test("prints JSON for machines", async () => {
    const put = async () => {
      const { stdout } = await outbound(["put", "allow-db", ...web, "-f", "rules.json", "--json"]);
      return parseOwnJson<unknown>(stdout);
    };
    const ruleSet = { rules, mode: "enforce" };
    const created = { key: "namespace/default/job/web/allow-db", change: "new", before: null, ruleSet };
    expect(await put()).toMatchObject({ ...created, modifyIndex: await modifyIndex() });
    expect(await put()).toMatchObject({ change: "unchanged", before: ruleSet, modifyIndex: await modifyIndex() });
  });

  test.each([
    ["no rules", ["put", "x", "--global"]],
    ["no scope", ["put", "x", "--action", "drop"]],
    ["a file and a rule", ["put", "x", "--global", "-f", "rules.json", "--action", "drop"]],
    ["a wrong flag", ["put", "x", "--global", "--action", "drop", "--port", "70000"]],
    ["a flag twice", ["put", "x", "--global", "--action", "drop", "--mode", "audit", "--mode", "enforce"]],
    ["a file twice", ["put", "x", "--global", "-f", "rules.json", "-f", "rules.json"]],
    ["a scope twice", ["put", "x", "--node", "a", "--node", "b", "--action", "drop"]],
    ["no index", ["put", "x", "--global", "--action", "drop", "--index", "x"]],
  ])("with %s is wrong usage", async (_, words) => {
    expect(await outbound(words)).toMatchObject({ exitCode: 2, stdout: "" });
    expect(await agent.get("outbound/rules/global/x")).toBeUndefined();
  });
});

describe("editors at once", () => {
  test("20 puts on one version: exactly one is written, the others say what happened", async () => {
    await agent.put(key, rules);
    for (let round = 0; round < 2; round += 1) {
      const index = String(await modifyIndex());
      const names = Array.from({ length: 20 }, (_, editor) => `${round}/${editor}`);
      const outcomes = await Promise.all(
        names.map((name) => outbound(["put", "allow-db", ...web, "--index", index, "--description", name])),
      );
      const winners = names.filter((_, editor) => outcomes[editor]?.exitCode === 0);
      expect(winners).toHaveLength(1);
      expect(parseOwnJson(String(await agent.get(key)))).toMatchObject({ rules, description: winners[0] });
      const now = await modifyIndex();
      for (const { exitCode, stderr } of outcomes.filter((outcome) => outcome.exitCode !== 0)) {
        expect({ exitCode, stderr }).toEqual({
          exitCode: 1,
          stderr: `outbound: Cannot put namespace/default/job/web/allow-db: it is at version ${now} (ModifyIndex), expected ${index}: look at it with outbound rules get namespace/default/job/web/allow-db, and try again with --index ${now}\n`,
        });
      }
    }
  });

  test("get, edit and put with the index that get printed goes through, and a second time does not", async () => {
    await agent.put(key, rules);
    const { stdout, stderr } = await outbound(["get", "allow-db", ...web]);
    const index = /^ModifyIndex (\d+)\n$/.exec(stderr)?.[1] ?? "";
    const put = ["put", "allow-db", ...web, "-f", "-", "--index", index];
    const input = stdout.replace("5432", "5433");
    expect(await outbound(put, { input })).toMatchObject({ exitCode: 0 });
    expect(await outbound(put, { input: stdout })).toMatchObject({ exitCode: 1 });
    expect(await agent.get(key)).toContain("5433");
  });

  test("index 0 writes only what is new", async () => {
    const put = ["put", "allow-db", ...web, "-f", "rules.json", "--index", "0"];
    expect(await outbound(put)).toMatchObject({ exitCode: 0 });
    expect(await outbound(put)).toMatchObject({
      exitCode: 1,
      stderr: containing("it is there already"),
    });
  });
});

describe("get", () => {
  test("prints what can be put back unchanged", async () => {
    await agent.put(key, { rules, description: "a\u{1b}[2J\u{202e}b" });
    const { stdout } = await outbound(["get", "allow-db", ...web]);
    expect(stdout).not.toMatch(/[^\P{C}\n]/u);
    const { stdout: told } = await outbound(["put", "allow-db", ...web, "-f", "-"], { input: stdout });
    expect(told).toContain("unchanged");
  });

  test("prints an invalid value as it is, and on stderr what is wrong", async () => {
    await agent.put(key, '{"action":"NO"}');
    const { exitCode, stdout, stderr } = await outbound(["get", "allow-db", ...web]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '{"action":"NO"}' });
    expect(stderr).toContain('$.action: found "NO", expected ACCEPT, DROP or REJECT');
    const { stdout: json } = await outbound(["get", "allow-db", ...web, "--json"]);
    expect(parseOwnJson(json)).toMatchObject({ isValid: false, ruleSet: null, raw: '{"action":"NO"}' });
  });

  test("prints the bytes as they are with --raw", async () => {
    await agent.put(key, '[ {"action" :"drop"} ]');
    expect(await outbound(["get", key, "--raw"])).toMatchObject({ exitCode: 0, stdout: '[ {"action" :"drop"} ]' });
  });

  test("ends the line of a value that ends without, where both outputs are one", async () => {
    const both = async (value: string, ...words: readonly string[]): Promise<string> => {
      await agent.put(key, value);
      const argv = ["sh", "-c", '"$0" "$@" 2>&1', outboundPath, "rules", "get", key, ...words];
      return (await runCommand(argv, { env: environment(), allowFailure: true })).stdout;
    };
    expect(await both('{"action":"NO"}')).toMatch(/^\{"action":"NO"\}\nModifyIndex \d+\noutbound: \$\.action/);
    expect(await both('{"action":"DROP"}', "--raw")).toMatch(/^\{"action":"DROP"\}\nModifyIndex \d+\n$/);
    expect(await both('{"action":"DROP"}\n', "--raw")).toMatch(/^\{"action":"DROP"\}\nModifyIndex \d+\n$/);
    const apart = await outbound(["get", key, "--raw"]);
    expect(apart.stderr).toMatch(/^ModifyIndex/);
  });

  test("says what may be meant where there is no such key", async () => {
    await agent.put(key, rules);
    await agent.put(`${key}-old`, rules);
    const { exitCode, stderr } = await outbound(["get", "allow-db", "--global"]);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      "outbound: Cannot get global/allow-db: there is no such rule set: did you mean namespace/default/job/web/allow-db?\n",
    );
    const shorter = await outbound(["get", "allow", ...web]);
    expect(shorter).toMatchObject({ exitCode: 1, stdout: "" });
  });
});

describe("rm", () => {
  test("shows what goes, and removes it alone", async () => {
    await agent.put(key, rules);
    await agent.put(`${key}-2`, rules);
    const { exitCode, stdout } = await outbound(["rm", "allow-db", ...web]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("- DROP all to 10.64.0.0/10\nRemoved\n");
    expect(await agent.get(key)).toBeUndefined();
    expect(await agent.get(`${key}-2`)).toBeDefined();
  });

  test("removes a key that fits no scope by its whole key, and asks for a scope where there is none", async () => {
    await agent.put("outbound/rules/namespaces/default/job/web/x", "{}");
    const removed = await outbound(["rm", "namespaces/default/job/web/x"]);
    expect(removed).toMatchObject({ exitCode: 0, stdout: containing("fits no scope") });
    expect(await agent.get("outbound/rules/namespaces/default/job/web/x")).toBeUndefined();
    const again = await outbound(["rm", "namespaces/default/job/web/x"]);
    expect(again).toMatchObject({ exitCode: 2, stderr: containing("fits no scope") });
    expect(await outbound(["rm", "allow-db"])).toMatchObject({ exitCode: 2, stderr: containing("none is given") });
  });

  test("removes nothing where another version is there, or none", async () => {
    await agent.put(key, rules);
    const index = String((await modifyIndex()) - 1);
    expect(await outbound(["rm", "allow-db", ...web, "--index", index])).toMatchObject({ exitCode: 1, stdout: "" });
    expect(await agent.get(key)).toBeDefined();
    expect(await outbound(["rm", "allow-db", "--namespace", "default"])).toMatchObject({
      exitCode: 1,
      stderr: containing("there is no such rule set: did you mean namespace/default/job/web/allow-db?"),
    });
  });
});

describe("list", () => {
  beforeEach(async () => {
    await agent.put("outbound/rules/namespace/team-a/job/web/allow-db", rules);
    await agent.put("outbound/rules/namespace/team-a/broken", "{}");
    await agent.put("outbound/rules/namespace/team-ab/x", rules);
    await agent.put("outbound/rules/global/x", { rules, expiresAt: "2020-01-01T00:00:00Z" });
    await agent.put("outbound/rules/namspace/x/y", rules);
  });

  test("shows every rule set with its state, and keys that are none", async () => {
    const { exitCode, stdout, stderr } = await outbound(["list"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.replaceAll(/ +/g, " ")).toMatch(
      /--global\n x 2 enforce 2020-01-01T00:00:00Z expired\n--namespace team-a\n broken - - - INVALID\n \$.*\n--namespace team-a --job web\n allow-db 2 enforce - ok\n--namespace team-ab\n x 2 enforce - ok\n\nKeys that fit no scope.*\n namspace\/x\/y\n/s,
    );
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });

  test("shows a namespace with its jobs, and no other", async () => {
    const { stdout } = await outbound(["list", "--namespace", "team-a", "--json"]);
    const { ruleSets } = parseOwnJson<{ readonly ruleSets: readonly { readonly key: string }[] }>(stdout);
    expect(ruleSets.map((each) => each.key)).toEqual(["namespace/team-a/broken", "namespace/team-a/job/web/allow-db"]);
  });
});

describe("with a token for one namespace", () => {
  beforeEach(async () => {
    await agent.put("outbound/rules/namespace/team-a/x", rules);
    await agent.put("outbound/rules/namespace/team-b/x", rules);
    token = await agent.createToken('key_prefix "outbound/rules/namespace/team-a/" { policy = "write" }');
  });

  test("that namespace is listed, read and written without a word", async () => {
    for (const words of [
      ["list", "--namespace", "team-a"],
      ["put", "x", "--namespace", "team-a", "--mode", "audit"],
      ["rm", "x", "--namespace", "team-a"],
    ]) {
      expect(await outbound(words)).toMatchObject({ exitCode: 0, stderr: "" });
    }
  });

  test("a list of all says that keys are hidden", async () => {
    const { exitCode, stdout, stderr } = await outbound(["list"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("--namespace team-a");
    expect(stdout).not.toContain("team-b");
    expect(stderr).toContain(
      'ACLs hide keys: to see all, the token needs key_prefix "outbound/rules/" { policy = "read" }',
    );
  });

  test.each([
    ["list", ["list", "--namespace", "team-b"], "read"],
    ["get", ["get", "x", "--namespace", "team-b"], "read"],
    ["put", ["put", "x", "--namespace", "team-b", "--job", "web", "-f", "rules.json"], "write"],
    ["rm", ["rm", "x", "--namespace", "team-b"], "write"],
  ])("%s in another one fails with the policy rule that is missing", async (_, words, policy) => {
    const { exitCode, stdout, stderr } = await outbound(words);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(`key_prefix "outbound/rules/namespace/team-b/" { policy = "${policy}" }`);
    expect(stderr).not.toContain(token);
  });

  test("a token that may only read does not write", async () => {
    token = await agent.createToken('key_prefix "outbound/rules/" { policy = "read" }');
    const { exitCode, stderr } = await outbound(["put", "x", "--namespace", "team-a", "--mode", "audit"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('key_prefix "outbound/rules/namespace/team-a/" { policy = "write" }');
    expect(await agent.get("outbound/rules/namespace/team-a/x")).toBe(JSON.stringify(rules));
  });

  test("no token says which variable is to be set, a wrong one that Consul does not know it", async () => {
    token = undefined;
    expect((await outbound(["get", "x", "--namespace", "team-a"])).stderr).toContain("set CONSUL_HTTP_TOKEN");
    token = "11111111-2222-3333-4444-555555555555";
    const { stderr } = await outbound(["get", "x", "--namespace", "team-a"]);
    expect(stderr).toContain("Consul does not know the token of CONSUL_HTTP_TOKEN");
    expect(stderr).not.toContain(token);
  });
});

test.each([["list"], ["get", "global/x"], ["put", "global/x", "--action", "drop"], ["rm", "global/x"]])(
  "%s without a Consul says which address it tried and which variable to set",
  async (...words) => {
    const env = { ...environment(), CONSUL_HTTP_ADDR: "127.0.0.1:1" };
    const outcome = await runCommand([outboundPath, "rules", ...words], { env, allowFailure: true });
    expect(outcome).toMatchObject({ exitCode: 1, stdout: "" });
    expect(outcome.stderr).toMatch(
      /ECONNREFUSED.*: set CONSUL_HTTP_ADDR to where Consul is, http:\/\/127\.0\.0\.1:1 now/,
    );
  },
);

test("every example of the help texts works as it stands", async () => {
  const ran: string[] = [];
  for (const action of ["put", "get", "list", "rm"]) {
    const { stdout: help } = await outbound([action, "--help"]);
    const examples = Array.from(help.matchAll(/^ {2}(outbound rules .*)$/gm), ([, line = ""]) => line).filter(
      (line) => !line.includes("<name>"),
    );
    for (const example of examples) {
      const { exitCode, stderr } = await runCommand(["bash", "--norc", "-c", example], {
        cwd: directory,
        env: environment(),
        allowFailure: true,
      });
      // No watcher runs here: what is written is not known to be in force.
      const isAwaited = example.includes("--wait");
      expect({ example, exitCode, stderr }).toMatchObject({ exitCode: isAwaited ? 1 : 0 });
      ran.push(example);
    }
    expect(help.split("\n").filter((line) => line.length > 80)).toEqual([]);
  }
  expect(ran.length).toBeGreaterThanOrEqual(12);
});
