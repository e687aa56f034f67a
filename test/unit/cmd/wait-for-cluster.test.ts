import { beforeEach, describe, expect, test } from "vitest";
import { waitForCluster } from "../../../cmd/wait-for-cluster.ts";
import { readStatusQuestion } from "../../../cmd/status-question.ts";
import type { ClusterStatus } from "../../../lib/status/cluster-status.ts";
import { formatNodeStatus } from "../../../lib/status/node-status.ts";
import { createFakeClock, type FakeClock } from "../../fakes/clock.ts";
import { createFakeConsul, type FakeConsul } from "../../fakes/consul.ts";
import { DENY, NOW_MS, ruleSetOf, statusOf } from "../status/fixtures.ts";

const key = "global/own";
let clock: FakeClock;
let consul: FakeConsul;

beforeEach(() => {
  clock = createFakeClock(NOW_MS);
  consul = createFakeConsul({ clock });
  consul.put(`outbound/rules/${key}`, JSON.stringify(DENY));
});

/** Node n1 tells that it has this ModifyIndex; undefined: none. */
function tellOf(node: string, modifyIndex?: number): void {
  const ruleSets = modifyIndex === undefined ? [] : [ruleSetOf(key, modifyIndex)];
  consul.put(`outbound/status/${node}`, formatNodeStatus(statusOf(node, { ruleSets })));
}

async function currentIndex(): Promise<number> {
  const { signal } = new AbortController();
  const { entries } = await consul.readPrefix({
    prefix: `outbound/rules/${key}`,
    index: 0n,
    waitSeconds: 0,
    consistent: true,
    signal,
  });
  return entries[0]?.modifyIndex ?? 0;
}

function start(timeoutMs: number) {
  const { signal } = new AbortController();
  const question = readStatusQuestion(key, { prefix: "outbound" });
  const waiting: { result?: ClusterStatus; error?: unknown } = {};
  const ended = waitForCluster(question, { timeoutMs }, { consul, clock, signal }).then(
    (result) => void (waiting.result = result),
    (error: unknown) => void (waiting.error = error),
  );
  return { waiting, ended };
}

describe("waiting", () => {
  test("does not happen where nothing is asked to be waited for", async () => {
    tellOf("n1");
    const { waiting, ended } = start(0);
    await ended;
    expect(waiting.result?.ruleSets).toMatchObject([{ state: "pending" }]);
    // Statuses and rule sets, and whether each may be read.
    expect(consul.requests).toBe(4);
  });

  test("ends as soon as the last node tells that it has the version in KV, and asks once for each change", async () => {
    const index = await currentIndex();
    tellOf("n1");
    tellOf("n2");
    const { waiting, ended } = start(60_000);
    await clock.advance(30_000);
    expect(waiting.result).toBeUndefined();
    const requestsAtRest = consul.requests;
    await clock.advance(10_000);
    expect(consul.requests).toBe(requestsAtRest);
    tellOf("n1", index);
    await clock.advance(1000);
    expect(waiting.result).toBeUndefined();
    tellOf("n2", index);
    await clock.advance(1000);
    await ended;
    expect(waiting.result?.ruleSets).toMatchObject([{ state: "in-force" }]);
    expect(consul.requests).toBeLessThanOrEqual(requestsAtRest + 3);
  });

  test("follows KV too: what is written meanwhile is what is waited for", async () => {
    const index = await currentIndex();
    tellOf("n1");
    const { waiting, ended } = start(60_000);
    await clock.advance(1000);
    consul.put(`outbound/rules/${key}`, JSON.stringify([DENY, DENY]));
    await clock.advance(1000);
    tellOf("n1", index);
    await clock.advance(1000);
    expect(waiting.result).toBeUndefined();
    consul.remove(`outbound/rules/${key}`);
    tellOf("n1");
    await clock.advance(1000);
    await ended;
    expect(waiting.result?.ruleSets).toEqual([]);
  });

  test("ends at once with a value that cannot come into force", async () => {
    consul.put(`outbound/rules/${key}`, "{}");
    tellOf("n1");
    const { waiting, ended } = start(60_000);
    await clock.advance(10);
    await ended;
    expect(waiting.result?.ruleSets).toMatchObject([{ state: "rejected" }]);
  });

  test("ends with how it stands when the time is over", async () => {
    tellOf("n1");
    const { waiting, ended } = start(10_000);
    await clock.advance(9999);
    expect(waiting.result).toBeUndefined();
    await clock.advance(1);
    await ended;
    expect(waiting.result?.ruleSets).toMatchObject([{ state: "pending" }]);
  });

  test("fails where Consul does", async () => {
    tellOf("n1");
    const { waiting, ended } = start(60_000);
    await clock.advance(1000);
    consul.faults.fails = "unreachable";
    consul.put("outbound/status/n2", "{}");
    await clock.advance(1000);
    await ended;
    expect(String(waiting.error)).toContain("unreachable");
  });
});

test("a status of another format, or of another node, is told and counts as not known", async () => {
  const index = await currentIndex();
  tellOf("n1", index);
  consul.put("outbound/status/n2", JSON.stringify({ format: 99 }));
  consul.put("outbound/status/n3", "half of a");
  consul.put("outbound/status/n4", formatNodeStatus(statusOf("n1")));
  const { waiting, ended } = start(0);
  await ended;
  expect(waiting.result?.nodes).toMatchObject([{ node: "n1" }]);
  expect(waiting.result?.unreadable).toEqual([
    { node: "n2", problem: "another version of outbound has written it" },
    { node: "n3", problem: "it is not JSON" },
    { node: "n4", problem: "it is that of n1" },
  ]);
});
