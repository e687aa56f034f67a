import { expect, test } from "vitest";
import { describeCluster } from "../../../lib/status/cluster-status.ts";
import { formatCluster } from "../../../lib/status/format-cluster.ts";
import { formatNodeStatus, parseNodeStatus } from "../../../lib/status/node-status.ts";
import { statusOf } from "./fixtures.ts";

const since = "2026-11-24T06:00:00.000Z";
const later = "2026-11-24T07:00:00.000Z";
const NO_ENTRIES = { entries: [], unreadable: [], hidesRules: false, hidesStatuses: false };

test("a node says of how many attachments it does not know whose they are, since when and why", () => {
  const status = statusOf("n1", {
    unidentified: [
      { allocation: "c", since, problem: "refused" },
      { allocation: "b", since: later },
      { allocation: "a", since: later, problem: "refused" },
    ],
  });
  expect(status.unidentified).toEqual([
    { attachments: 1, since: later },
    { attachments: 2, since, problem: "refused" },
  ]);
  expect(parseNodeStatus(formatNodeStatus(status))).toEqual(status);
  expect(statusOf("n1", { unidentified: [] })).not.toHaveProperty("unidentified");
});

test("however many problems there are, the status stays small and counts them all", () => {
  const unidentified = Array.from({ length: 100 }, (_, n) => ({
    allocation: `${n}`,
    since,
    problem: `${n}`.repeat(400),
  }));
  const groups = statusOf("n1", { unidentified }).unidentified ?? [];
  expect(groups).toHaveLength(5);
  expect(groups.reduce((sum, { attachments }) => sum + attachments, 0)).toBe(100);
  expect(Math.max(...groups.map(({ problem }) => problem?.length ?? 0))).toBeLessThanOrEqual(300);
});

test("the cluster's status tells it below the node, and that a rule set may apply there and does not", () => {
  const statuses = [statusOf("n1", { unidentified: [{ allocation: "a", since, problem: "refused\n\u001b[31m" }] })];
  const cluster = describeCluster({ ...NO_ENTRIES, statuses }, { includes: () => true, nowMs: 0 });
  expect(cluster.nodes[0]?.unidentified).toMatchObject([{ attachments: 1, since }]);
  const text = formatCluster(cluster, { what: "outbound/rules/" });
  expect(text).toContain(`  1 attachment without identity since ${since}: refused`);
  expect(text.replaceAll(/\s+/g, " ")).toContain("1 attachment is without identity: rule sets of a namespace");
  expect(text).not.toContain("\u001b");
});

test("a node that has nothing to tell of it, or an older watcher, says nothing", () => {
  const cluster = describeCluster({ ...NO_ENTRIES, statuses: [statusOf("n1")] }, { includes: () => true, nowMs: 0 });
  expect(cluster.nodes[0]).not.toHaveProperty("unidentified");
  expect(formatCluster(cluster, { what: "outbound/rules/" })).not.toContain("identity");
});
