import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../lib/host/clock.ts";
import { parseConsulSettings } from "../../lib/host/consul-settings.ts";
import { createConsulSessions, type ConsulSessions } from "../../lib/host/consul-session.ts";
import { formatBoundedStatus } from "../../lib/status/bound-status.ts";
import { createRequestLimit } from "../../watcher/request-limit.ts";
import { startStatusKey, type StatusKey } from "../../watcher/status-key.ts";
import { readTree } from "../bench/process-tree.ts";
import { createMemoryLog } from "../fakes/log.ts";
import { ensureConsul } from "../setup/consul.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import { parseOwnJson } from "../support/json.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { ruleSetOf, statusOf } from "../unit/status/fixtures.ts";

/** A cluster's worth of watchers in one process, each with its own session and key, on one real Consul. */
const NODES = 1000;
/** A node with 20 allocations of five jobs. */
const JOBS = Array.from({ length: 20 }, (_, index) => `job-${index % 5}`);
/** How long it is left alone: sessions are renewed every 16 to 24 s, first so long after they began. */
const REST_MS = 18_000;

interface SimulatedNode {
  readonly name: string;
  readonly statusKey: StatusKey;
  readonly requests: Requests;
}

interface Requests {
  /** When each write was sent, and when the last one was answered. */
  readonly writtenAtMs: number[];
  answeredAtMs: number;
  renewed: number;
  others: number;
}

const log = createMemoryLog();
const stop = new AbortController();
let agent: ConsulAgent;
let sessions: ConsulSessions;
let nodes: readonly SimulatedNode[];
/** The ModifyIndex that all nodes have of the global rule set. */
let version = 1;

beforeAll(async () => {
  // A watcher talks to its own node's agent; here all come from one address, of which Consul takes 200 connections.
  const config = { limits: { http_max_conns_per_client: 2 * NODES } };
  agent = await startConsul({ binary: await ensureConsul(), config });
  // Its connections are kept alive and shared.
  sessions = createConsulSessions(parseConsulSettings({ CONSUL_HTTP_ADDR: agent.url }));
  nodes = Array.from({ length: NODES }, (_, index) => simulate(`node-${index}`));
});

afterAll(async () => {
  stop.abort();
  await Promise.all(nodes.map(({ statusKey }) => statusKey.ended));
  sessions.close();
  await agent.close();
});

function simulate(name: string): SimulatedNode {
  const requests: Requests = { writtenAtMs: [], answeredAtMs: 0, renewed: 0, others: 0 };
  const describe = () =>
    formatBoundedStatus(statusOf(name, { jobs: JOBS, ruleSets: [ruleSetOf("global/own", version)] }));
  const statusKey = startStatusKey(
    { key: `outbound/status/${name}`, signal: stop.signal },
    {
      sessions: counting(requests),
      describe,
      limit: createRequestLimit({ clock: systemClock }),
      clock: systemClock,
      random: Math.random,
      log,
    },
  );
  return { name, statusKey, requests };
}

/** The real sessions; what goes through is counted. */
function counting(requests: Requests): Omit<ConsulSessions, "close"> {
  return {
    create: (options) => {
      requests.others += 1;
      return sessions.create(options);
    },
    renew: (options) => {
      requests.renewed += 1;
      return sessions.renew(options);
    },
    destroy: (options) => sessions.destroy(options),
    async acquire(options) {
      requests.writtenAtMs.push(monotonicMs());
      const isAcquired = await sessions.acquire(options);
      requests.answeredAtMs = monotonicMs();
      return isAcquired;
    },
    read: (options) => {
      requests.others += 1;
      return sessions.read(options);
    },
  };
}

function countWrites(): number {
  return nodes.reduce((sum, { requests }) => sum + requests.writtenAtMs.length, 0);
}

/** How many of the keys in Consul say that their node has this version. */
async function countStatuses(expected: number): Promise<number> {
  const { status, body } = await agent.request({ path: "/v1/kv/outbound/status/?recurse" });
  if (status !== 200) return 0;
  const values = parseOwnJson<readonly { readonly Value: string }[]>(body);
  const text = `"modifyIndex":${expected},`;
  return values.filter(({ Value }) => Buffer.from(Value, "base64").toString().includes(text)).length;
}

/** Processor time of Consul, which is this process's only child. */
function consulCpuMs(): number {
  return readTree(process.pid).children.cpuMs;
}

/** Changes what all nodes have to say, waits until all have written it, and returns how many times they wrote. */
async function changeAll(what: string): Promise<number> {
  version += 1;
  const writesBefore = countWrites();
  const cpuBefore = consulCpuMs();
  const sinceMs = monotonicMs();
  for (const { statusKey } of nodes) statusKey.changed();
  const isDone = () =>
    nodes.every(({ requests }) => requests.answeredAtMs > sinceMs) && countWrites() - writesBefore >= NODES;
  await waitUntil(isDone, { what: `all statuses after ${what}`, timeoutMs: 30_000 });
  const lastMs = Math.max(...nodes.map(({ requests }) => requests.answeredAtMs)) - sinceMs;
  console.log(
    `${what}: ${NODES} statuses in ${lastMs.toFixed(0)} ms, ${((NODES * 1000) / lastMs).toFixed(0)} writes a second, ` +
      `Consul ${consulCpuMs() - cpuBefore} ms of a core`,
  );
  expect(await countStatuses(version)).toBe(NODES);
  return countWrites() - writesBefore;
}

test("1,000 nodes write once for a change that concerns all, in 2 s never twice, and at rest never", async () => {
  expect(await changeAll("start")).toBe(NODES);
  expect(await changeAll("a global change")).toBe(NODES);
  // Three changes at once are one.
  version += 1;
  for (const { statusKey } of nodes) statusKey.changed();
  version += 1;
  expect(await changeAll("three changes at once")).toBe(NODES);

  const before = { writes: countWrites(), ...sumRequests(), cpuMs: consulCpuMs() };
  await sleep(REST_MS);
  // A change of other nodes' rule sets, or one that comes back, leaves the text as it is.
  for (const { statusKey } of nodes) statusKey.changed();
  await sleep(2500);
  const seconds = (REST_MS + 2500) / 1000;
  const renewals = (sumRequests().renewed - before.renewed) / seconds;
  console.log(
    `at rest: ${renewals.toFixed(0)} renewals and ${((sumRequests().others - before.others) / seconds).toFixed(0)} reads ` +
      `a second, no write, Consul ${((consulCpuMs() - before.cpuMs) / seconds / 10).toFixed(1)} % of a core`,
  );
  expect(countWrites()).toBe(before.writes);
  expect(renewals).toBeGreaterThan(NODES / 40);
  expect(renewals).toBeLessThanOrEqual(NODES / 16);

  const gaps = nodes.flatMap(({ requests: { writtenAtMs } }) =>
    writtenAtMs.slice(1).map((atMs, index) => atMs - (writtenAtMs[index] ?? 0)),
  );
  // Timers may fire a millisecond early.
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1998);
  expect(log.lines).toEqual([]);
});

function sumRequests(): { readonly renewed: number; readonly others: number } {
  const sum = (of: (requests: Requests) => number) => nodes.reduce((total, { requests }) => total + of(requests), 0);
  return { renewed: sum(({ renewed }) => renewed), others: sum(({ others }) => others) };
}
