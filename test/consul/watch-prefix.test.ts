import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "../../lib/host/clock.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsul } from "../../lib/host/consul.ts";
import type { PrefixState } from "../../watcher/prefix-state.ts";
import { createRequestLimit } from "../../watcher/request-limit.ts";
import { watchPrefix } from "../../watcher/watch-prefix.ts";
import { createMemoryLog } from "../fakes/log.ts";
import type { MemoryLog } from "../fakes/log.ts";
import { ensureConsul } from "../setup/consul.ts";
import { startConsul } from "../support/consul-agent.ts";
import type { ConsulAgent } from "../support/consul-agent.ts";

const readable = 'key_prefix "outbound/" { policy = "read" }';

const binary = await ensureConsul();

let agent: ConsulAgent;
let directory: string;
let tokenFile: string;
let abort: AbortController;
let running: Promise<void>[];
let log: MemoryLog;
/** What the watch says KV holds, after each answer it delivered: `key=value` words. */
let delivered: string[];
let states: PrefixState[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "outbound-watch-"));
  tokenFile = join(directory, "token");
  abort = new AbortController();
  running = [];
  log = createMemoryLog();
  delivered = [];
  states = [];
});

afterEach(async () => {
  abort.abort();
  await Promise.all(running);
  await agent.close();
  await rm(directory, { recursive: true, force: true });
});

function watch({ hadKeys = false, env = {}, clock = systemClock } = {}): void {
  const consul = createConsul(parseConsulSettings({ CONSUL_HTTP_ADDR: agent.url, ...env }));
  const limit = createRequestLimit({ clock: systemClock });
  const options = { root: "outbound/rules/", prefix: "global/", hadKeys, signal: abort.signal };
  running.push(
    watchPrefix(options, {
      consul,
      clock,
      limit,
      log,
      random: Math.random,
      onAnswer({ entries }) {
        delivered.push(entries.map(({ key, value }) => `${key}=${new TextDecoder().decode(value)}`).join(" "));
      },
      onState: (state) => void states.push(state),
    }).finally(() => consul.close()),
  );
}

/** Waits until the watch has delivered exactly this. */
async function expectDelivered(...expected: readonly string[]): Promise<void> {
  await expect.poll(() => delivered, { timeout: 20_000, interval: 5 }).toEqual(expected);
}

async function expectState(expected: object): Promise<void> {
  await expect.poll(() => states.at(-1), { timeout: 20_000, interval: 5 }).toMatchObject(expected);
}

async function expectFailure(message: RegExp): Promise<void> {
  await expect.poll(() => states.at(-1)?.lastFailure?.message, { timeout: 20_000, interval: 5 }).toMatch(message);
}

async function accessorOf(token: string): Promise<string> {
  const { body } = await agent.request({ path: "/v1/acl/token/self", token });
  return z.object({ AccessorID: z.string() }).parse(JSON.parse(body)).AccessorID;
}

test("what is put is delivered, what is deleted is gone, and the last key's removal is looked at twice", async () => {
  agent = await startConsul({ binary });
  watch();
  await expectDelivered("");

  await agent.put("outbound/rules/global/a", "1");
  await expectDelivered("", "global/a=1");
  await agent.put("outbound/rules/global/b", "2");
  await expectDelivered("", "global/a=1", "global/a=1 global/b=2");
  await agent.delete("outbound/rules/global/a");
  await expectDelivered("", "global/a=1", "global/a=1 global/b=2", "global/b=2");
  expect(log.lines).toEqual([]);
  await agent.delete("outbound/rules/global/b");
  await expectDelivered("", "global/a=1", "global/a=1 global/b=2", "global/b=2", "");
  expect(log.lines).toMatchObject([{ level: "info", fields: { doubt: "empty" } }]);
});

test("a tree that is deleted above the prefix is gone", async () => {
  agent = await startConsul({ binary });
  await agent.put("outbound/rules/global/a", "1");
  watch();
  await expectDelivered("global/a=1");

  await agent.delete("outbound/", { recurse: true });

  await expectDelivered("global/a=1", "");
  expect(log.lines).toMatchObject([{ level: "info", fields: { doubt: "empty" } }]);
});

test("an agent that restarts with nothing is heard of within seconds, and so is what is put then", async () => {
  agent = await startConsul({ binary });
  for (let write = 0; write < 50; write += 1) {
    await agent.put("outbound/rules/global/a", String(write));
  }
  watch();
  await expectDelivered("global/a=49");

  await agent.stop();
  await expectState({ status: "failing", lastFailure: { kind: "unreachable" } });
  await agent.start();
  await agent.put("outbound/rules/global/a", "new");

  await expect.poll(() => delivered.at(-1), { timeout: 10_000, interval: 5 }).toBe("global/a=new");
  await expectState({ status: "ok", consecutiveFailures: 0 });
});

test("writes to other keys do not make the query of a prefix with keys return", async () => {
  agent = await startConsul({ binary });
  await agent.put("outbound/rules/global/a", "1");
  watch();
  await expectDelivered("global/a=1");
  const before = states.length;

  for (let write = 0; write < 100; write += 1) {
    await agent.put("elsewhere", String(write));
    await agent.put("outbound/rules/node/n1/x", String(write));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));

  expect(states).toHaveLength(before);
});

test("writes to other keys do not make the watch of a prefix without keys spin", async () => {
  agent = await startConsul({ binary });
  watch();
  await expectDelivered("");
  const before = states.length;

  const startedMs = performance.now();
  while (performance.now() - startedMs < 3000) {
    await agent.put("elsewhere", String(performance.now()));
  }

  expect(states.length - before).toBeLessThan(10);
  expect(delivered).toEqual([""]);
});

test("without a token, ACLs that deny are not taken for a prefix without rules", async () => {
  agent = await startConsul({ binary, acl: true });
  await agent.put("outbound/rules/global/a", "1");

  watch({ hadKeys: true });

  await expectState({ status: "failing", lastFailure: { kind: "forbidden" }, consecutiveFailures: 3 });
  expect(delivered).toEqual([]);
});

test("a token that loses its policy, or is revoked, leaves the rules in force until a good one is in its file", async () => {
  agent = await startConsul({ binary, acl: true });
  await agent.put("outbound/rules/global/a", "1");
  const first = await agent.createToken(readable);
  await writeFile(tokenFile, first);
  watch({ env: { CONSUL_HTTP_TOKEN_FILE: tokenFile } });
  await expectDelivered("global/a=1");

  const accessor = await accessorOf(first);
  const body = JSON.stringify({ AccessorID: accessor, Policies: [] });
  await agent.request({ method: "PUT", path: `/v1/acl/token/${accessor}`, body });
  // A query that blocks goes on with the permissions it started with.
  await agent.put("outbound/rules/global/b", "2");
  await agent.put("outbound/rules/global/c", "3");
  await expectFailure(/Permission denied/);
  await agent.request({ method: "DELETE", path: `/v1/acl/token/${accessor}` });
  await expectFailure(/ACL not found/);
  await agent.delete("outbound/rules/global/a");
  expect(delivered.at(-1)).toContain("global/a=1");

  await writeFile(tokenFile, await agent.createToken(readable));
  await expect.poll(() => delivered.at(-1), { timeout: 40_000, interval: 5 }).toBe("global/b=2 global/c=3");
  await expectState({ status: "ok" });
  expect(JSON.stringify([log.lines, states])).not.toContain(first);
});

test("a token that loses its policy while the prefix is empty is noticed, and what was put meanwhile comes later", async () => {
  agent = await startConsul({ binary, acl: true });
  await writeFile(tokenFile, await agent.createToken(readable));
  let laterMs = 0;
  const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + laterMs };
  watch({ env: { CONSUL_HTTP_TOKEN_FILE: tokenFile }, clock });
  await expectDelivered("");

  await writeFile(tokenFile, await agent.createToken('key_prefix "other/" { policy = "read" }'));
  const before = states.length;
  // Ends the query that still has what it was asked with; the next one is hidden from.
  await agent.put("elsewhere", "1");
  await expect.poll(() => states.length, { timeout: 20_000, interval: 5 }).toBeGreaterThan(before);
  laterMs = 60_000;
  await agent.put("outbound/rules/global/deny", "1");
  await expectState({ status: "failing", lastFailure: { kind: "forbidden" } });
  expect(delivered).toEqual([""]);

  await writeFile(tokenFile, await agent.createToken(readable));
  await expect.poll(() => delivered.at(-1), { timeout: 40_000, interval: 5 }).toBe("global/deny=1");
});

test("an abort ends a query that blocks in less than a second", async () => {
  agent = await startConsul({ binary });
  watch();
  await expectDelivered("");

  const startedMs = performance.now();
  abort.abort();
  await Promise.all(running);

  expect(performance.now() - startedMs).toBeLessThan(1000);
});
