import { describe, expect, test } from "vitest";
import { formatPlan } from "../../../lib/plan/format-plan.ts";
import { toPlanJson } from "../../../lib/plan/plan-json.ts";
import { makePlan, type KnownCluster, type Plan } from "../../../lib/plan/plan.ts";
import { parseKey } from "../../../lib/policy/scope.ts";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import type { NodeStatus } from "../../../lib/status/node-status.ts";
import { rule } from "../policy/fixtures.ts";
import { appliedOf, clusterOf, statusOf, type NodeGiven } from "./fixtures.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");
const KEY = "namespace/default/job/web/keep";
const old = { proto: "tcp", port: 1007, action: "ACCEPT" };
const https = { host: "10.1.2.0/24", proto: "tcp", port: 443, action: "ACCEPT" };
const next: RuleSet = { rules: [rule(https)], mode: "enforce" };

function plan(cluster: KnownCluster, after: RuleSet | undefined): Plan {
  const place = parseKey(KEY);
  if (place.kind !== "rule-set") throw new Error(`${KEY} is no rule set's key`);
  return makePlan(cluster, { key: KEY, scope: place.scope, name: place.name, after, nowMs });
}

/** One paragraph a line. */
function textOf(made: Plan): string {
  return formatPlan(made, { nowMs, notes: [] }).replaceAll(/\n +/g, " ");
}

/** A node of job web with versions of rule sets in force. */
function nodeWith(node: string, inForce: Readonly<Record<string, number>>, given: Partial<NodeGiven> = {}): NodeStatus {
  const ruleSets = Object.entries(inForce).map(([key, modifyIndex]) => appliedOf({ key, modifyIndex }));
  return statusOf(node, { groups: [{ allocations: [`${node}-a`] }], ruleSets, ...given });
}

function json(made: Plan) {
  return toPlanJson(made, { notes: [] });
}

describe("where KV's value of the planned key is no rule set, and a node keeps the version before", () => {
  const cluster = clusterOf([nodeWith("n1", { [KEY]: 41 }), nodeWith("n2", {})], { [KEY]: "{" });
  const unknown =
    "NOT ALL: n1 keeps version 41 of this rule set in force, as version 1 in KV is no rule set: what it decides there now is not known here, so this is compared without it";

  test("a removal is not said to change nothing there, and changes nothing where none is in force", () => {
    const made = plan(cluster, undefined);
    expect(json(made).effects).toMatchObject([
      { attachments: [{ node: "n1" }], isComplete: false, notCompared: 0, outOfStep: [KEY] },
      { attachments: [{ node: "n2" }], isComplete: true, changes: [], outOfStep: [] },
    ]);
    expect(textOf(made)).toContain(`For default/web/app (1) on n1:\n${unknown}`);
    expect(textOf(made)).toContain("For default/web/app (1) on n2:\nNo verdict changes");
    const only = { ...cluster, nodes: cluster.nodes.slice(0, 1), statuses: cluster.statuses.slice(0, 1) };
    expect(textOf(plan(only, undefined))).not.toMatch(/no verdict changes/i);
  });

  test("a new value is compared without that version, and that is said before what changes", () => {
    const made = plan(cluster, next);
    expect(textOf(made)).toMatch(/NOT ALL: n1 [^]*OPENS {3}tcp to 10\.1\.2\.0\/24 port 443/);
    expect(made.effects.map(({ changes }) => changes.length)).toEqual([1, 1]);
  });

  test("a rule that another one stands before is not said to change nothing", () => {
    const made = plan(cluster, { ...next, rules: [rule({ host: "10.1.2.0/24", action: "DROP" })] });
    expect(made.effects.map(({ idle }) => idle.length)).toEqual([0, 1]);
  });

  test("that version is what is compared where the cache of this node has it", () => {
    const cached = [{ key: KEY, modifyIndex: 41, value: new TextEncoder().encode(JSON.stringify(old)) }];
    const made = plan({ ...cluster, cached }, next);
    expect(json(made).effects).toMatchObject([
      {
        attachments: [{ node: "n1" }],
        isComplete: true,
        changes: [{ change: "opens" }, { change: "closes", ports: "1007" }],
      },
      { attachments: [{ node: "n2" }], isComplete: true, changes: [{ change: "opens" }] },
    ]);
    expect(textOf(made)).toContain("compared with that version, which the cache of this node has");
    const other = [{ ...cached[0], key: KEY, modifyIndex: 40, value: new Uint8Array() }];
    expect(json(plan({ ...cluster, cached: other }, next)).effects).toMatchObject([{ isComplete: false }, {}]);
  });

  test("a version that is audited or has expired decides nothing, so nothing is unknown", () => {
    for (const state of ["audit", "expired"] as const) {
      const ruleSets = [{ ...appliedOf({ key: KEY, modifyIndex: 41 }), state }];
      const made = plan(clusterOf([nodeWith("n1", {}, { ruleSets })], { [KEY]: "{" }), undefined);
      expect(made).toMatchObject({ effects: [{ isComplete: true }], outOfStep: [] });
    }
  });
});

test.each<[string, NodeStatus, RegExp]>([
  [
    "has not come to it",
    nodeWith("n1", { [KEY]: 41 }),
    /^NOT ALL: n1 still has version 41 of this rule set in force, and not version 43 of KV yet: what it decides there now is not known here, so this is compared with KV's$/m,
  ],
  [
    "does not come to it",
    nodeWith("n1", { [KEY]: 41 }, { isInSync: false }),
    /^NOT ALL: n1 still has version 41 of this rule set in force, not version 43 of KV: what/m,
  ],
  [
    "refuses it",
    nodeWith("n1", { [KEY]: 41 }, { rejections: [{ key: KEY, modifyIndex: 43, issues: [] }] }),
    /^NOT ALL: n1 refuses version 43 of this rule set, and keeps version 41 in force: what/m,
  ],
  [
    "has none",
    nodeWith("n1", {}),
    /^NOT ALL: n1 does not have version 43 of this rule set in force yet: compared with KV's$/m,
  ],
  [
    "is ahead of what was read",
    nodeWith("n1", { [KEY]: 45 }),
    /^NOT ALL: n1 already has version 45 of this rule set in force, and KV had version 43 when it was read: what/m,
  ],
])("KV's version of the planned key that a node %s makes the plan less than all", (_, status, said) => {
  const value = new TextEncoder().encode(JSON.stringify(https));
  const made = plan({ ...clusterOf([status]), entries: [{ key: KEY, modifyIndex: 43, value }] }, next);
  expect(textOf(made)).toMatch(said);
  expect(textOf(made)).not.toMatch(/no verdict changes/i);
  expect(json(made).effects).toMatchObject([{ isComplete: false }]);
});

test("a version of the planned key that KV no longer has is not passed over", () => {
  const made = plan(clusterOf([nodeWith("n1", { [KEY]: 9 })]), next);
  expect(textOf(made)).toContain(
    "NOT ALL: n1 still has version 9 of this rule set in force, which KV does not have: what",
  );
  expect(json(made)).toMatchObject({ change: "new", effects: [{ isComplete: false }] });
});

test("other rule sets that are out of step are named, and nothing is promised for those that they are for", () => {
  const statuses = [
    nodeWith("n2", { "global/bad": 1, "global/old": 1, "global/gone": 9, "node/n2/y": 3 }),
    nodeWith("n1", { "global/bad": 1, "global/old": 2, "global/gone": 9, "namespace/other/z": 1 }),
    nodeWith("n3", { "global/old": 2 }),
  ];
  const made = plan(clusterOf(statuses, { "global/bad": "{", "global/old": https, "node/n2/y": https }), next);
  expect(made.outOfStep).toEqual([
    {
      key: "global/bad",
      why: "invalid-in-kv",
      nodes: ["n1", "n2"],
      modifyIndex: 1,
      kvModifyIndex: 1,
      isPassing: false,
      comparedWith: "nothing",
    },
    {
      key: "global/gone",
      why: "not-in-kv",
      nodes: ["n1", "n2"],
      modifyIndex: 9,
      kvModifyIndex: null,
      isPassing: true,
      comparedWith: "nothing",
    },
    {
      key: "global/old",
      why: "other-version",
      nodes: ["n2"],
      modifyIndex: 1,
      kvModifyIndex: 2,
      isPassing: true,
      comparedWith: "kv",
    },
  ]);
  const text = textOf(made);
  expect(text).toContain(
    "n2 still has version 1 of global/old in force, and not version 2 of KV yet: compared with KV's",
  );
  expect(text).toContain(
    "n1, n2 still have version 9 of global/gone in force, which is not seen in KV: compared without it",
  );
  expect(text).not.toMatch(/NOT ALL/);
  expect(
    json(made).effects.map(({ attachments, isComplete }) => [attachments.map(({ node }) => node), isComplete]),
  ).toEqual(
    expect.arrayContaining([
      [["n3"], true],
      [["n1"], false],
    ]),
  );
  expect(textOf(plan({ ...clusterOf(statuses.slice(2)), entries: [] }, { ...next, mode: "audit" }))).toContain(
    "No verdict changes where nodes have what KV has.",
  );
});

test("a rule set that has just been put and that a node does not have is named", () => {
  const statuses = [nodeWith("n1", { "global/a": 1 }), nodeWith("n2", { "global/a": 1, "global/b": 2 })];
  const text = textOf(plan(clusterOf(statuses, { "global/a": https, "global/b": https }), next));
  expect(text).toContain("n1 does not have version 2 of global/b in force yet: compared with KV's");
});

test("keys of scopes that the attachments of a node are not in are not expected there", () => {
  const statuses = [nodeWith("n1", { "global/a": 1 })];
  const cluster = clusterOf(statuses, { "global/a": https, "node/n2/b": https, "namespace/default/job/api/c": https });
  expect(plan(cluster, next)).toMatchObject({ outOfStep: [], effects: [{ isComplete: true }] });
});
