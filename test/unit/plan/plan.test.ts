import { expect, test } from "vitest";
import { formatPlan } from "../../../lib/plan/format-plan.ts";
import { toPlanJson } from "../../../lib/plan/plan-json.ts";
import { makePlan, type KnownCluster, type Plan } from "../../../lib/plan/plan.ts";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import type { RuleInput } from "../../../lib/policy/rule.ts";
import { parseKey } from "../../../lib/policy/scope.ts";
import { rule } from "../policy/fixtures.ts";
import { appliedOf, clusterOf, DROP_ALL, statusOf } from "./fixtures.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");
const KEY = "namespace/default/job/web/x";

function rulesOf(...rules: readonly RuleInput[]): RuleSet {
  return { rules: rules.map(rule), mode: "enforce" };
}

function plan(cluster: KnownCluster, after: RuleSet | undefined, key = KEY): Plan {
  const place = parseKey(key);
  if (place.kind !== "rule-set") throw new Error(`${key} is no rule set's key`);
  return makePlan(cluster, { key, scope: place.scope, name: place.name, after, nowMs });
}

function linesOf(made: Plan, notes: readonly string[] = []): readonly string[] {
  return formatPlan(made, { nowMs, notes }).split("\n");
}

/** What changes, for whom: `n1:a opens drop > accept`. */
function tell({ effects }: Plan): readonly string[] {
  return effects.map(({ members, changes }) => {
    const who = members.map(({ node, allocations }) => `${node}:${allocations.join(",")}`).join(" ");
    const what = changes.map(({ change, before, after }) => `${change} ${before.verdict} > ${after.verdict}`);
    return [who, ...what].join(" ");
  });
}

const https = { host: "10.1.2.0/24", proto: "tcp", port: 443, action: "ACCEPT" };

test("it is told for whom verdicts change, and which rules decide", () => {
  const statuses = [
    statusOf("n1", { groups: [{ allocations: ["a", "b"] }] }),
    statusOf("n2", { groups: [{ allocations: ["c"] }] }),
  ];
  expect(linesOf(plan(clusterOf(statuses), rulesOf(https)))).toEqual([
    "namespace/default/job/web/x: new, 1 rule",
    "+ mode: enforce",
    "+ ACCEPT tcp to 10.1.2.0/24 port 443",
    "",
    "It applies to 3 attachments on 2 nodes:",
    "  default/web/app  3",
    "",
    "OPENS   tcp to 10.1.2.0/24 port 443",
    "        was drop    conflist defaultAction",
    "        now accept  KV namespace/default/job/web/x[0]",
    "",
    "Seen: the status of 2 nodes, with 3 attachments.",
  ]);
});

test("attachments of one policy on several nodes are one group, those of another are told apart", () => {
  const open = { ...DROP_ALL, defaultAction: "ACCEPT" } as const;
  const statuses = [
    statusOf("n1", { groups: [{ allocations: ["a"] }, { allocations: ["b"], policy: 1 }], policies: [DROP_ALL, open] }),
    statusOf("n2", {
      groups: [{ allocations: ["c"] }],
      policies: [{ ...DROP_ALL, staticRules: [rule({ host: "10.9.0.0/16", action: "DROP" })] }],
    }),
  ];
  expect(tell(plan(clusterOf(statuses), rulesOf(https)))).toEqual(["n1:a n2:c opens drop > accept", "n1:b"]);
});

test("other rule sets of a node, an allocation and a network count for their attachments alone", () => {
  const statuses = [
    statusOf("n1", { groups: [{ allocations: ["a", "b"] }, { allocations: ["l"], network: "lab" }] }),
    statusOf("n2", { groups: [{ allocations: ["c"] }] }),
  ];
  const deny = { host: "10.1.2.0/24", action: "REJECT" };
  const cluster = clusterOf(statuses, {
    "node/n2/no": deny,
    "network/lab/no": deny,
    "namespace/default/alloc/b/no": deny,
  });
  expect(tell(plan(cluster, rulesOf(https)))).toEqual(["n1:a opens drop > accept", "n1:b", "n1:l", "n2:c"]);
});

test("children of a job are in its scope, other jobs are not", () => {
  const statuses = [
    statusOf("n1", {
      groups: [
        { allocations: ["a"], job: "web/dispatch-1700-ab" },
        { allocations: ["b"], job: "web/dispatch-1700-cd" },
        { allocations: ["c"], job: "webs" },
      ],
    }),
  ];
  const made = plan(clusterOf(statuses), rulesOf(https));
  expect(tell(made)).toEqual(["n1:a n1:b opens drop > accept"]);
  expect(linesOf(made)).toContain("  default/web/dispatch-…/app  2");
});

test("a rule that another one stands before says so", () => {
  const policy = { ...DROP_ALL, staticRules: [rule({ host: "10.0.0.0/8", action: "DROP" })] };
  const statuses = [statusOf("n1", { groups: [{ allocations: ["a"] }], policies: [policy] })];
  expect(linesOf(plan(clusterOf(statuses), rulesOf(https))).slice(7, 11)).toEqual([
    "No verdict changes.",
    "IDLE    with KV namespace/default/job/web/x[0]: ACCEPT tcp to 10.1.2.0/24 port",
    "        443",
    "        no verdict changes, because its packets are",
  ]);
  expect(linesOf(plan(clusterOf(statuses), rulesOf(https)))).toContain(
    "        - dropped first by conflist outboundRules[0]: DROP all to 10.0.0.0/8",
  );
});

test.each([
  ["an audited one decides nothing", { ...rulesOf(https), mode: "audit" }, /audited/],
  ["an expired one decides nothing", { ...rulesOf(https), expiresAt: nowMs }, /expired/],
] as const)("where no verdict changes, it is said why: %s", (_, after, why) => {
  const cluster = clusterOf([statusOf("n1", { groups: [{ allocations: ["a"] }] })]);
  const made = plan(cluster, after);
  expect(made.isChange).toBe(true);
  expect(tell(made)).toEqual(["n1:a"]);
  expect(linesOf(made).join("\n")).toMatch(why);
});

test("a switch from audit to enforce is a change of verdicts, and back another", () => {
  const statuses = [statusOf("n1", { groups: [{ allocations: ["a"] }] })];
  const cluster = clusterOf(statuses, { [KEY]: { rules: [https], mode: "audit" } });
  expect(tell(plan(cluster, rulesOf(https)))).toEqual(["n1:a opens drop > accept"]);
  const enforced = clusterOf(statuses, { [KEY]: { rules: [https] } });
  expect(tell(plan(enforced, { ...rulesOf(https), mode: "audit" }))).toEqual(["n1:a closes accept > drop"]);
  expect(tell(plan(enforced, undefined))).toEqual(["n1:a closes accept > drop"]);
});

test("what KV has already is no change", () => {
  const cluster = clusterOf([statusOf("n1", { groups: [{ allocations: ["a"] }] })], { [KEY]: [https] });
  const made = plan(cluster, rulesOf(https));
  expect(made.isChange).toBe(false);
  expect(toPlanJson(made, { notes: [] }).change).toBe("unchanged");
  expect(plan(cluster, { ...rulesOf(https), description: "why" }).isChange).toBe(true);
});

test("a value that is no rule set is replaced, and counts for nothing until then", () => {
  const cluster = clusterOf([statusOf("n1", { groups: [{ allocations: ["a"] }] })], { [KEY]: "{" });
  const made = plan(cluster, rulesOf(https));
  expect(made.isChange).toBe(true);
  expect(tell(made)).toEqual(["n1:a opens drop > accept"]);
  expect(toPlanJson(made, { notes: [] })).toMatchObject({ change: "changed", before: null });
});

test.each([
  ["namespace/default/job/wbe/x", { kind: "job", namespace: "default", job: "web" }],
  ["namespace/prod/job/web/x", { kind: "job", namespace: "default", job: "web" }],
  ["namespace/default/job/web/group/ap/x", { kind: "group", namespace: "default", job: "web", group: "app" }],
  ["namespace/defualt/x", { kind: "namespace", namespace: "default" }],
  ["namespace/default/alloc/8f1c/x", { kind: "alloc", namespace: "default", alloc: "8f1c2b3a" }],
  ["network/egres/x", { kind: "network", network: "egress" }],
  ["node/node2/x", { kind: "node", node: "node1" }],
])("who is in no scope is asked whether another one was meant: %s", (key, near) => {
  const cluster = clusterOf([statusOf("node1", { groups: [{ allocations: ["8f1c2b3a"] }] })]);
  const made = plan(cluster, rulesOf(https), key);
  expect(made).toMatchObject({ effects: [], near: [near] });
  expect(linesOf(made)).toContain("It matches no allocation on any node");
});

test.each([
  [
    "namespace/default/job/database/x",
    [
      { kind: "job", namespace: "default", job: "api" },
      { kind: "job", namespace: "default", job: "web" },
    ],
  ],
  ["namespace/default/job/web/group/database/x", [{ kind: "group", namespace: "default", job: "web", group: "app" }]],
  [
    "namespace/default/job/database/group/app2/x",
    [
      { kind: "job", namespace: "default", job: "api" },
      { kind: "job", namespace: "default", job: "web" },
    ],
  ],
  ["namespace/production/job/database/x", [{ kind: "namespace", namespace: "default" }]],
  ["namespace/default/alloc/9f/x", []],
  ["node/elsewhere/x", [{ kind: "node", node: "n1" }]],
])("where no name is like one, those of the narrowest place that somebody is in are told: %s", (key, others) => {
  const allocations = Array.from({ length: 6 }, (_, index) => `8f1c000${index}`);
  const statuses = [
    statusOf("n1", {
      groups: [{ allocations }, { job: "web/periodic-1700", allocations: ["a"] }, { job: "api", allocations: ["b"] }],
    }),
  ];
  expect(plan(clusterOf(statuses), rulesOf(https), key)).toMatchObject({ near: [], others });
});

test("a name that is not like another one brings no guess, but the few that there are", () => {
  const cluster = clusterOf([statusOf("node1", { groups: [{ allocations: ["a"] }] })]);
  const made = plan(cluster, rulesOf(https), "network/lab/x");
  expect(made).toMatchObject({ near: [], others: [{ kind: "network", network: "egress" }] });
  expect(linesOf(made)).toContain("  There is only --network egress");
  expect(toPlanJson(made, { notes: [] }).others).toEqual(made.others);
});

test("however long names are, no line is longer than 80 characters", () => {
  const long = "a-very-long-name-".repeat(8);
  const groups = [{ allocations: ["a"], job: long, group: long }];
  const key = `namespace/default/job/${long}/${long}`;
  const ruleSets = [appliedOf({ key, modifyIndex: 7 })];
  const cluster = clusterOf([statusOf(long, { groups, ruleSets })]);
  const ports = Array.from({ length: 100 }, (_, index) => 1000 + 3 * index).join(",");
  const hosts = ["2001:db8:1111:2222:3333:4444:5555:6666", "2001:db8:1111:2222:3333:4444:5555:7777"];
  const made = plan(cluster, rulesOf({ host: hosts, proto: "tcp", port: ports, action: "ACCEPT" }), key);
  const lines = linesOf(made, ["This is a note that is longer than a line may be, so it is broken. ".repeat(3)]);
  // The key itself is printed whole, as people copy it.
  expect(lines.slice(1).filter((line) => line.length > 80)).toEqual([]);
  expect(lines.join("\n")).toMatch(/OPENS/);
});

test("hundreds of changes are counted, not listed", () => {
  const cluster = clusterOf([statusOf("n1", { groups: [{ allocations: ["a"] }] })]);
  const many = Array.from({ length: 300 }, (_, index): RuleInput => ({
    host: `10.${index >> 8}.${index & 255}.1`,
    action: "ACCEPT",
  }));
  const lines = linesOf(plan(cluster, rulesOf(...many)));
  expect(lines.filter((line) => line.startsWith("OPENS"))).toHaveLength(20);
  expect(lines).toContain("… and 280 more changes of verdicts: --json has them");
});

test("what is too much to compare is said, never passed over", () => {
  const cluster = clusterOf([statusOf("n1", { groups: [{ allocations: ["a"] }] })]);
  const made = makePlan(cluster, {
    key: KEY,
    scope: { kind: "job", namespace: "default", job: "web" },
    name: "x",
    after: rulesOf(https, { host: "10.2.0.0/16", action: "ACCEPT" }),
    nowMs,
    maxSteps: 3,
  });
  expect(made.effects).toMatchObject([{ isComplete: false }]);
  expect(linesOf(made).join("\n")).toMatch(/NOT ALL/);
});
