import { beforeEach, expect, test } from "vitest";
import { formatNodeStatus } from "../../../../lib/status/node-status.ts";
import { createRequestLimit } from "../../../../watcher/request-limit.ts";
import { createClusterReading, type ClusterReadingPorts } from "../../../../watcher/web/cluster-reading.ts";
import { createFakeClock, type FakeClock } from "../../../fakes/clock.ts";
import { createFakeConsul, type FakeConsul } from "../../../fakes/consul.ts";
import { statusOf } from "../../status/fixtures.ts";

let clock: FakeClock;
let consul: FakeConsul;

beforeEach(() => {
  clock = createFakeClock();
  consul = createFakeConsul({ clock });
  for (const node of ["n1", "n2"]) consul.put(`outbound/status/${node}`, formatNodeStatus(statusOf(node)));
  consul.put("outbound/rules/global/own", '{"host": "203.0.113.7", "action": "DROP"}');
});

function read(ports: Partial<ClusterReadingPorts> = {}) {
  const { signal } = new AbortController();
  return createClusterReading(
    { prefix: "outbound" },
    { consul, limit: createRequestLimit({ clock }), clock, signal, ...ports },
  );
}

/** What it says, as soon as it does. */
async function get(reading: ReturnType<typeof read>) {
  const asked = reading.get();
  await clock.advance(10);
  return asked;
}

test("every node and rule set is read with four requests, however many ask within five seconds", async () => {
  const reading = read();
  const [view] = await Promise.all([get(reading), reading.get(), reading.get()]);
  expect(view.cluster?.nodes.map(({ node }) => node)).toEqual(["n1", "n2"]);
  expect(view.cluster?.ruleSets).toMatchObject([{ key: "global/own", state: "pending" }]);
  expect(view.problem).toBeUndefined();
  await get(reading);
  expect(consul.requests).toBe(4);
  await clock.advance(5_000);
  await get(reading);
  expect(consul.requests).toBe(8);
});

test("a cluster of hundreds of nodes is read whole", async () => {
  for (let index = 0; index < 300; index += 1) {
    consul.put(`outbound/status/m${index}`, formatNodeStatus(statusOf(`m${index}`)));
  }
  expect((await get(read())).cluster?.nodes).toHaveLength(302);
});

test("where Consul fails, that is said with what it said before and when", async () => {
  const reading = read();
  const before = await get(reading);
  consul.faults.fails = "unreachable";
  await clock.advance(30_000);
  const after = await get(reading);
  expect(after.problem).toMatch(/Cannot read/);
  expect(after).toMatchObject({ cluster: before.cluster, atMs: before.atMs });
});

test("where Consul does not answer, a page waits five seconds for it, and the request is given up", async () => {
  const given: AbortSignal[] = [];
  const silent: ClusterReadingPorts["consul"] = {
    checkReadable: () => Promise.resolve(),
    readPrefix: ({ signal }) =>
      new Promise((_, reject) => {
        given.push(signal);
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  };
  const asked = read({ consul: silent }).get();
  await clock.advance(5_100);
  expect(await asked).toEqual({ cluster: undefined, atMs: undefined, problem: "it has not answered within 5 s" });
  expect(given.map(({ aborted }) => aborted)).toEqual([true]);
});

test("it waits for its turn among the watcher's requests", async () => {
  const limit = createRequestLimit({ clock, burst: 1, perSecond: 1 });
  const asked = read({ limit }).get();
  await clock.advance(2_500);
  expect(consul.requests).toBe(3);
  await clock.advance(1_000);
  expect((await asked).cluster?.nodes).toHaveLength(2);
});
