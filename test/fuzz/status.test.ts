import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createFactsParser } from "../../lib/host/read-cluster.ts";
import { attachedBy } from "../../lib/plan/attached.ts";
import { formatPlan } from "../../lib/plan/format-plan.ts";
import { makePlan } from "../../lib/plan/plan.ts";
import { toPlanJson } from "../../lib/plan/plan-json.ts";
import { parseRuleSetJson } from "../../lib/policy/rule-set.ts";
import { describeCluster } from "../../lib/status/cluster-status.ts";
import { formatCluster } from "../../lib/status/format-cluster.ts";
import { formatRuleSetStatus } from "../../lib/status/format-rule-set.ts";
import { formatNodeStatus } from "../../lib/status/node-status.ts";
import { DENY, ruleSetOf, statusOf } from "../unit/status/fixtures.ts";
import { STATUS_CORPUS } from "./corpus/texts.ts";
import { fuzz } from "./support/campaign.ts";
import { claim } from "./support/claim.ts";
import { damagedJson } from "./support/damaged-json.ts";
import { damagedText } from "./support/damaged-text.ts";
import { NOW_MS } from "./support/runtime-rule-sets.ts";
import { claimPrintable } from "./support/terminal.ts";

const ruleSets = [
  ruleSetOf("global/a", 3),
  ruleSetOf("namespace/default/job/web/b", 4, { rules: [DENY], mode: "audit" }),
];
const key = "namespace/default/job/web/c";
const scope = { kind: "job", namespace: "default", job: "web" } as const;
const good = statusOf("n1", {
  ruleSets,
  problems: ["it is slow"],
  rejections: [
    { key: "global/a", modifyIndex: 5, keptModifyIndex: 3, issues: [{ path: "$.rules", message: "found 7" }] },
  ],
  audited: [
    {
      key: "namespace/default/job/web/b",
      wouldBe: "denied",
      allocation: "n1-0",
      protocol: "tcp",
      destination: "2001:db8::1",
      port: 443,
    },
  ],
});
const goodText = formatNodeStatus(good);
/** What KV has: three rule sets, and the statuses of two nodes. */
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const deny = encode(JSON.stringify(DENY));
const entries = [
  ["global/a", 5],
  ["namespace/default/job/web/b", 4],
  ["nowhere/\u{9b}x", 1],
] as const;
const rulesAnswer = entries.map(([each, modifyIndex]) => ({ key: `outbound/rules/${each}`, modifyIndex, value: deny }));
const nobody = { index: 1n, isFiltered: false, isEmpty: false };
/** So that a reader who takes nothing is not taken for a careful one. */
let taken = 0;

fuzz("statuses of nodes", {
  inputs: { short: 1500, long: 20_000 },
  arbitrary: fc.oneof(damagedJson(fc.constant(JSON.parse(goodText))), damagedText(fc.constant(goodText))),
  corpus: STATUS_CORPUS,
  check: (text) => {
    const statuses = [
      { key: "outbound/status/n1", modifyIndex: 1, value: encode(text) },
      { key: "outbound/status/n2", modifyIndex: 1, value: encode(formatNodeStatus(statusOf("n2", { ruleSets }))) },
    ];
    const facts = createFactsParser({ prefix: "outbound" })({
      statuses: { ...nobody, entries: statuses },
      rules: { ...nobody, entries: rulesAnswer },
      hidesStatuses: false,
      hidesRules: false,
    });
    claim(facts.statuses.length + facts.unreadable.length === 2, "each status is read, or told as unreadable");
    taken += facts.statuses.length - 1;
    const cluster = describeCluster(facts, { includes: () => true, nowMs: NOW_MS });
    JSON.stringify(cluster);
    // Long texts are wrapped, each line of them indented; what is printed of a status is no more than is in it.
    const mostLines = 100 + text.length / 8;
    claimPrintable(formatCluster(cluster, { what: "outbound/rules/" }), mostLines);
    claimPrintable(formatRuleSetStatus(cluster, { key: "global/a", nowMs: NOW_MS }), mostLines);
    planWith(facts, mostLines);
  },
});

test("some statuses were read", () => {
  expect(taken).toBeGreaterThan(50);
});

function planWith({ statuses }: ReturnType<ReturnType<typeof createFactsParser>>, mostLines: number): void {
  const parsed = parseRuleSetJson(DENY);
  claim(parsed.ok, "the planned rule set is one");
  const inRules = rulesAnswer.map((each) => ({ ...each, key: each.key.slice("outbound/rules/".length) }));
  const cluster = { source: "status", nodes: statuses.map(attachedBy), statuses, entries: inRules } as const;
  const plan = makePlan(cluster, { key, scope, name: "c", after: parsed.value, nowMs: NOW_MS });
  claimPrintable(formatPlan(plan, { nowMs: NOW_MS, notes: [] }), mostLines);
  JSON.stringify(toPlanJson(plan, { notes: [] }));
}
