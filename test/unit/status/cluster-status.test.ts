import { describe, expect, test } from "vitest";
import {
  describeCluster,
  type ClusterFacts,
  type ClusterStatus,
  type RuleSetStatus,
} from "../../../lib/status/cluster-status.ts";
import { formatCluster } from "../../../lib/status/format-cluster.ts";
import { formatRuleSetStatus } from "../../../lib/status/format-rule-set.ts";
import { clusterExitCode, isSettled, ruleSetExitCode } from "../../../lib/status/outcome.ts";
import { DENY, entriesOf, NOW_MS, ruleSetOf, statusOf } from "./fixtures.ts";

const ofWeb = "namespace/default/job/web/own";
const issues = [{ path: "$", message: "found something" }];

function clusterOf(facts: Partial<ClusterFacts>, includes: (key: string) => boolean = () => true): ClusterStatus {
  const none = { entries: [], statuses: [], unreadable: [], hidesRules: false, hidesStatuses: false };
  return describeCluster({ ...none, ...facts }, { includes, nowMs: NOW_MS });
}

/** One rule set of job web in KV at ModifyIndex 5, and what nodes say. */
function oneOf(statuses: ClusterFacts["statuses"], value: unknown = DENY): RuleSetStatus {
  const [ruleSet] = clusterOf({ entries: entriesOf([ofWeb, 5, value]), statuses }).ruleSets;
  if (!ruleSet) throw new Error("Cannot find the rule set");
  return ruleSet;
}

const has = (modifyIndex: number, value: unknown = DENY) => ({ ruleSets: [ruleSetOf(ofWeb, modifyIndex, value)] });

describe("a rule set in KV", () => {
  test("is in force where every node that it applies to has its version, and counts no other node", () => {
    const status = oneOf([statusOf("n2", has(5)), statusOf("n1", has(5)), statusOf("n3", { jobs: ["api"] })]);
    expect(status).toMatchObject({
      state: "in-force",
      modifyIndex: 5,
      attachments: 4,
      nodes: [
        { node: "n1", attachments: 2, state: "applied" },
        { node: "n2", attachments: 2, state: "applied" },
      ],
    });
  });

  test.each([
    ["another version", has(4), 4],
    ["a version that is newer than what was read of KV", has(6), 6],
    ["nothing of it", {}, null],
  ])("is pending where a node has %s", (_, overrides, modifyIndex) => {
    const status = oneOf([statusOf("n1", has(5)), statusOf("n2", overrides)]);
    expect(status).toMatchObject({
      state: "pending",
      nodes: [{ state: "applied" }, { node: "n2", state: "pending", modifyIndex }],
    });
  });

  test("applies to a node where only a child of the job runs", () => {
    const status = oneOf([statusOf("n1", { jobs: ["web/periodic-1700"] })]);
    expect(status).toMatchObject({ state: "pending", nodes: [{ node: "n1", attachments: 1, modifyIndex: null }] });
  });

  test("is audited, or expired, where its nodes say so too", () => {
    const audit = { rules: [DENY], mode: "audit" };
    expect(oneOf([statusOf("n1", has(5, audit))], audit)).toMatchObject({ state: "audit", mode: "audit" });
    const over = { rules: [DENY], expiresAt: "2026-11-24T11:59:59Z" };
    expect(oneOf([statusOf("n1", has(5, over))], over)).toMatchObject({ state: "expired" });
  });

  test("that should have expired is pending where a node still has it in force", () => {
    const over = { rules: [DENY], expiresAt: "2026-11-24T11:59:59Z" };
    const behind = statusOf("n1", { ...has(5, over), nowMs: NOW_MS - 10_000 });
    expect(oneOf([behind], over)).toMatchObject({ state: "pending", nodes: [{ has: "in-force", state: "pending" }] });
  });

  test("that does not validate is rejected, and its nodes are told with the version that they keep", () => {
    const status = oneOf([statusOf("n1", has(4)), statusOf("n2")], { rules: "none" });
    expect(status).toMatchObject({
      state: "rejected",
      mode: null,
      issues: [{ path: "$.rules" }],
      nodes: [
        { node: "n1", state: "rejected", modifyIndex: 4, has: "in-force" },
        { node: "n2", state: "rejected", modifyIndex: null, has: null },
      ],
    });
  });

  test("that only a watcher of another version refuses is rejected with that watcher's reasons", () => {
    const refusing = statusOf("n1", { ...has(4), rejections: [{ key: ofWeb, modifyIndex: 5, issues }] });
    expect(oneOf([refusing, statusOf("n2", has(5))])).toMatchObject({ state: "rejected", issues });
    const mended = statusOf("n1", { ...has(4), rejections: [{ key: ofWeb, modifyIndex: 4, issues }] });
    expect(oneOf([mended, statusOf("n2", has(5))])).toMatchObject({ state: "pending", issues: [] });
  });

  test("that applies to nobody matches nothing, with those that may have been meant", () => {
    const [misspelt] = clusterOf({
      entries: entriesOf(["namespace/default/job/wbe/own", 5, DENY]),
      statuses: [statusOf("n1"), statusOf("n2", { jobs: ["api"] })],
    }).ruleSets;
    expect(misspelt).toMatchObject({
      state: "unmatched",
      nodes: [],
      near: [{ kind: "job", namespace: "default", job: "web" }],
    });
  });

  test("that applies to nobody, and has no name like another one, is told with the few that there are", () => {
    const facts = { entries: entriesOf(["namespace/default/job/database/own", 5, DENY]), statuses: [statusOf("n1")] };
    const others = [{ kind: "job", namespace: "default", job: "web" }];
    expect(clusterOf(facts).ruleSets).toMatchObject([{ state: "unmatched", near: [], others }]);
    const text = formatCluster(clusterOf(facts), { what: "outbound/rules/" });
    expect(text.replaceAll(/\n +/g, " ")).toContain("on any node: there is only --namespace default --job web");
  });

  test("is not said to be in force, nor to match nothing, where nobody reports", () => {
    expect(oneOf([])).toMatchObject({ state: "unreported", nodes: [] });
  });

  test("of a node with too much to tell counts where that node lists it", () => {
    const { groups: _, ...rest } = statusOf("n1", has(5));
    const status = { ...rest, groups: [], leftOut: ["groups"] } as const;
    expect(oneOf([status])).toMatchObject({ state: "in-force", attachments: 2 });
  });

  test("in audit mode says what it would have stopped, and whose it was", () => {
    const audited = {
      key: ofWeb,
      wouldBe: "denied",
      allocation: "n1-1",
      protocol: "tcp",
      destination: "10.1.2.3",
      port: 443,
    } as const;
    const value = { rules: [DENY], mode: "audit" };
    const status = oneOf(
      [statusOf("n1", { ...has(5, value), audited: [audited, { ...audited, key: "global/x" }] })],
      value,
    );
    expect(status.audited).toEqual([
      {
        node: "n1",
        wouldBe: "denied",
        allocation: "n1-1",
        namespace: "default",
        job: "web",
        group: "app",
        protocol: "tcp",
        destination: "10.1.2.3",
        port: 443,
      },
    ]);
  });
});

describe("what KV no longer has", () => {
  const gone = { statuses: [statusOf("n1", has(5)), statusOf("n2")] };

  test("is being removed where a node still has it in force", () => {
    expect(clusterOf(gone).ruleSets).toMatchObject([
      { key: ofWeb, modifyIndex: null, state: "removing", nodes: [{ node: "n1" }] },
    ]);
  });

  test("is not said to be removed where ACLs may only hide it, nor where it is not asked about", () => {
    expect(clusterOf({ ...gone, hidesRules: true }).ruleSets).toEqual([]);
    expect(clusterOf(gone, (key) => key.startsWith("global/")).ruleSets).toEqual([]);
  });
});

test("keys that fit no scope are told apart, folders are not told", () => {
  const { unknownKeys, ruleSets } = clusterOf({ entries: entriesOf(["globl/x", 1, DENY], ["global/", 2, DENY]) });
  expect(unknownKeys).toMatchObject([{ key: "globl/x" }]);
  expect(ruleSets).toEqual([]);
});

describe("exit codes and waiting", () => {
  const good = { entries: entriesOf([ofWeb, 5, DENY]), statuses: [statusOf("n1", has(5))] };
  const other = { ...good, entries: entriesOf(["namespace/default/job/wbe/own", 5, DENY]), statuses: [statusOf("n1")] };
  const cases: readonly (readonly [string, Partial<ClusterFacts>, { all: number; one: number; isSettled: boolean }])[] =
    [
      ["in force", good, { all: 0, one: 0, isSettled: true }],
      ["pending", { ...good, statuses: [statusOf("n1", has(4))] }, { all: 1, one: 1, isSettled: false }],
      ["rejected", { ...good, entries: entriesOf([ofWeb, 5, 1]) }, { all: 1, one: 1, isSettled: true }],
      ["unmatched", other, { all: 0, one: 3, isSettled: true }],
      ["removing", { ...good, entries: [] }, { all: 1, one: 1, isSettled: false }],
      ["unreported", { ...good, statuses: [] }, { all: 1, one: 1, isSettled: false }],
      ["hidden", { ...good, statuses: [], hidesStatuses: true }, { all: 1, one: 1, isSettled: true }],
      [
        "in force, as far as statuses can be read",
        { ...good, unreadable: [{ node: "n2", problem: "" }] },
        { all: 1, one: 1, isSettled: true },
      ],
      [
        "in force, beside a key that fits no scope",
        { ...good, entries: entriesOf([ofWeb, 5, DENY], ["globl/x", 1, DENY]) },
        { all: 1, one: 0, isSettled: true },
      ],
      ["nothing at all", { statuses: [statusOf("n1")] }, { all: 0, one: 1, isSettled: true }],
    ];
  test.each(cases)("%s", (_, facts, { all, one, isSettled: settled }) => {
    const cluster = clusterOf(facts);
    expect({ all: clusterExitCode(cluster), one: ruleSetExitCode(cluster), isSettled: isSettled(cluster) }).toEqual({
      all,
      one,
      isSettled: settled,
    });
  });
});

describe("for people", () => {
  const long = `namespace/${"default-".repeat(12)}/job/web/own`;
  const audit = { rules: [DENY], mode: "audit" };
  const facts = {
    entries: entriesOf(
      [ofWeb, 5_000_000_000, DENY],
      [long, 5, DENY],
      ["namespace/default/job/wbe/own", 6, DENY],
      ["global/bad", 7, { rules: [{ ...DENY, protocol: "\u001b[31m" }] }],
      ["global/audited", 8, audit],
      ["globl/x", 9, DENY],
    ),
    statuses: [
      ...Array.from({ length: 60 }, (_, index) => statusOf(`n${index}`, has(5_000_000_000))),
      statusOf("node-with-a-name.that-is-rather-long.for-a-table.example.org", {
        ...has(4),
        isInSync: false,
        problems: [`global/: ${"a reason that is long ".repeat(12).trimEnd()}`],
      }),
    ],
    unreadable: [{ node: "n99", problem: "another version of outbound has written it" }],
  };
  const cluster = clusterOf(facts);
  const texts = [
    formatCluster(cluster, { what: "outbound/rules/" }),
    ...cluster.ruleSets.map(({ key }) => formatRuleSetStatus(cluster, { key, nowMs: NOW_MS })),
    formatCluster(clusterOf({}), { what: "outbound/rules/" }),
    formatRuleSetStatus(clusterOf({}), { key: ofWeb, nowMs: NOW_MS }),
  ];

  test("no line is wider than 80 columns, and none ends in a space", () => {
    for (const line of texts.join("\n").split("\n")) {
      expect(line.length).toBeLessThanOrEqual(80);
      expect(line).toBe(line.trimEnd());
    }
  });

  test("a node that is not in sync comes first, with why", () => {
    const [, nodes = ""] = (texts[0] ?? "").split("IN SYNC");
    expect(nodes).toMatch(/^ +ATTACHMENTS\nnode-with-a-name\S+ +0\.1\.0 +NO +2\n {2}global\/: a reason/);
  });

  test("a cluster's many nodes do not flood the terminal", () => {
    expect(texts[0]).toContain("and 11 more nodes: --json has them");
  });

  test("with nobody reporting, that is said, and what to look at", () => {
    expect(texts.at(-2)).toContain("No watcher reports");
    expect(texts.at(-1)).toContain("There is no rule set");
  });

  test("what an audited rule set would have stopped is told by allocation, destination and port", () => {
    const audited = {
      key: "global/audited",
      wouldBe: "denied",
      allocation: "8f1c2d3e-1111",
      protocol: "tcp",
      destination: "fd00::1",
      port: 443,
    } as const;
    const seen = clusterOf({ ...facts, statuses: [statusOf("n1", { audited: [audited] })] });
    expect(formatRuleSetStatus(seen, { key: "global/audited", nowMs: NOW_MS })).toContain(
      "would have denied: alloc 8f1c2d3e unknown → tcp [fd00::1]:443",
    );
  });

  test("an end to come is told as a time and as how long until then", () => {
    const value = { rules: [DENY], expiresAt: "2026-11-26T15:30:00Z" };
    const soon = clusterOf({ entries: entriesOf([ofWeb, 5, value]), statuses: [statusOf("n1", has(5, value))] });
    expect(formatRuleSetStatus(soon, { key: ofWeb, nowMs: NOW_MS })).toContain(
      "expires at 2026-11-26T15:30:00Z, in 2d 3h",
    );
  });
});
