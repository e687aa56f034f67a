import { assert, property, shuffledSubarray } from "fast-check";
import { expect, test } from "vitest";
import { formatBoundedStatus } from "../../../lib/status/bound-status.ts";
import { describeNode } from "../../../lib/status/describe-node.ts";
import { formatNodeStatus, parseNodeStatus } from "../../../lib/status/node-status.ts";
import { rulesOf } from "../../support/example-node.ts";
import { attachmentsOf, DENY, NOW_MS, ruleSetOf, statusOf } from "./fixtures.ts";

const ofWeb = "namespace/default/job/web/own";

test("only rule sets and rejections that apply to an attachment of the node are told", () => {
  const rejection = { modifyIndex: 9, issues: [{ path: "$", message: "found nothing" }] };
  const status = statusOf("n1", {
    ruleSets: [
      "global/all",
      "node/n1/own",
      "node/n2/other",
      "network/lab/other",
      ofWeb,
      "namespace/default/job/api/x",
    ].map((key) => ruleSetOf(key, 7)),
    rejections: [
      { key: "namespace/default/job/web/bad", ...rejection },
      { key: "namespace/default/job/api/bad", ...rejection },
      { key: "namespace/team-a/bad", ...rejection },
    ],
  });
  expect(status.ruleSets).toEqual(
    ["global/all", ofWeb, "node/n1/own"].map((key) => ({ key, modifyIndex: 7, state: "in-force", attachments: 2 })),
  );
  expect(status.rejections.map(({ key }) => key)).toEqual(["namespace/default/job/web/bad"]);
});

test("a change that concerns other nodes only leaves the text as it is", () => {
  const before = statusOf("n1", { ruleSets: [ruleSetOf(ofWeb, 1)] });
  const after = statusOf("n1", { ruleSets: [ruleSetOf(ofWeb, 1), ruleSetOf("namespace/default/job/api/new", 2)] });
  expect(formatNodeStatus(after)).toBe(formatNodeStatus(before));
});

test("a node without attachments tells of no rule set, not even a global one", () => {
  expect(statusOf("n1", { jobs: [], ruleSets: [ruleSetOf("global/all", 1)] })).toMatchObject({
    ruleSets: [],
    groups: [],
  });
});

test("a dispatched job's allocation counts for its parent's rule sets", () => {
  const { ruleSets } = statusOf("n1", { jobs: ["web/dispatch-1-2", "web", "api"], ruleSets: [ruleSetOf(ofWeb, 1)] });
  expect(ruleSets).toMatchObject([{ attachments: 2 }]);
});

test("audit and an end are told as the kernel had them, and an end that was seen stays one with an earlier clock", () => {
  const expiresAt = new Date(NOW_MS).toISOString();
  const status = statusOf("n1", {
    ruleSets: [
      ruleSetOf("global/a", 1, { rules: [DENY], mode: "audit" }),
      ruleSetOf("global/b", 1, { rules: [DENY], expiresAt }),
      {
        ...ruleSetOf("global/c", 1, { rules: [DENY], expiresAt: new Date(NOW_MS + 1000).toISOString() }),
        hasExpired: true,
      },
      ruleSetOf("global/d", 1, { rules: [DENY], expiresAt: new Date(NOW_MS + 1).toISOString() }),
    ],
  });
  expect(status.ruleSets.map(({ state }) => state)).toEqual(["audit", "expired", "expired", "in-force"]);
});

test("attachments that differ only in their allocation are one group, and point to policies told once", () => {
  const policy = { staticRules: rulesOf(DENY) };
  const same = { policy: { staticRules: rulesOf(DENY) }, jobRules: rulesOf(DENY) };
  const status = describeNode({
    ...facts(),
    attachments: attachmentsOf(
      { containerId: "b", policy },
      { containerId: "a", policy: { staticRules: rulesOf(DENY) } },
      { containerId: "a", ifname: "eth1", policy },
      { containerId: "c", ...same },
      { containerId: "d", network: "lab", policy },
      { containerId: "e", policy, identity: {} },
    ),
  });
  expect(status.policies).toHaveLength(2);
  expect(new Set(status.groups.map(({ allocations }) => allocations.join()))).toEqual(
    new Set(["a,a,b", "c", "d", "e"]),
  );
  const jobRulesOf = (policyIndex: number): number => status.policies[policyIndex]?.jobRules.length ?? -1;
  for (const { allocations, policy: index } of status.groups) {
    expect(jobRulesOf(index)).toBe(allocations[0] === "c" ? 1 : 0);
  }
});

test("the order in which facts come does not change the text", () => {
  const attachments = attachmentsOf(
    ...["web", "api", "db"].flatMap((job) =>
      ["1", "2"].map((id) => ({
        containerId: `${job}-${id}`,
        identity: { namespace: "default", job },
        jobRules: rulesOf({ ...DENY, comment: job }),
      })),
    ),
  );
  const ruleSets = ["global/a", "global/b", ofWeb].map((key) => ruleSetOf(key, 1));
  const textOf = (some: typeof attachments, sets: typeof ruleSets) =>
    formatNodeStatus(describeNode({ ...facts(), attachments: some, runtimeRules: { node: "n1", ruleSets: sets } }));
  const all = textOf(attachments, ruleSets);
  assert(
    property(
      shuffledSubarray(attachments, { minLength: attachments.length }),
      shuffledSubarray(ruleSets, { minLength: ruleSets.length }),
      (some, sets) => textOf(some, sets) === all,
    ),
  );
});

test("before the first pass nothing is said to be in force", () => {
  expect(describeNode({ ...facts(), runtimeRules: undefined, attachments: attachmentsOf({}) }).ruleSets).toEqual([]);
});

test("at most five issues of a rejection are told, each of a bounded length", () => {
  const issues = Array.from({ length: 20 }, (_, index) => ({ path: `$[${index}]`, message: "x".repeat(10_000) }));
  const { rejections } = statusOf("n1", {
    rejections: [{ key: "global/bad", modifyIndex: 2, keptModifyIndex: 1, issues }],
  });
  expect(rejections).toMatchObject([{ modifyIndex: 2, keptModifyIndex: 1 }]);
  expect(rejections[0]?.issues).toHaveLength(5);
  expect(rejections[0]?.issues[0]?.message.length).toBeLessThan(400);
});

test("what is written reads back as the same", () => {
  const status = statusOf("n1", { ruleSets: [ruleSetOf(ofWeb, 1)], isInSync: false, problems: ["b", "a", "b"] });
  expect(status.problems).toEqual(["a", "b"]);
  expect(parseNodeStatus(formatBoundedStatus(status))).toEqual(status);
});

test("whatever there is to tell, it is at most 400 KiB, and says what it left out", () => {
  const bytesOf = (text: string): number => Buffer.byteLength(text);
  const huge = "é".repeat(300);
  const audited = { key: ofWeb, wouldBe: "denied", allocation: "n1-0", protocol: "tcp", destination: huge } as const;
  const steps = [
    { leftOut: ["audited"], more: { audited: Array.from({ length: 2000 }, () => audited) } },
    {
      leftOut: ["audited", "issues"],
      more: {
        rejections: Array.from({ length: 1500 }, (_, index) => ({
          key: `global/bad-${index}`,
          modifyIndex: 1,
          issues: [{ path: "$", message: huge }],
        })),
      },
    },
    {
      leftOut: ["audited", "issues", "rejections", "policies", "ruleSets"],
      more: { ruleSets: Array.from({ length: 6000 }, (_, index) => ruleSetOf(`global/set-${index}`, 1)) },
    },
    {
      leftOut: ["audited", "issues", "rejections", "policies", "ruleSets", "groups"],
      more: { jobs: Array.from({ length: 6000 }, (_, index) => `job-${index}`) },
    },
  ];
  for (const { leftOut, more } of steps) {
    const text = formatBoundedStatus(statusOf("n1", more));
    expect(bytesOf(text)).toBeLessThanOrEqual(400 * 1024);
    const status = parseNodeStatus(text);
    expect(status.leftOut).toEqual(leftOut);
    expect(status.problems.join()).toContain(`left out: ${leftOut.join(", ")}`);
  }
});

function facts() {
  const { node, version, isInSync, problems } = statusOf("n1");
  return { node, version, isInSync, problems, runtimeRules: undefined, nowMs: NOW_MS, rejections: [] };
}
