import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { viewAttachment } from "../../../lib/inspect/attachment-view.ts";
import { auditedSets, decidingLists, idleRules, phaseOf } from "../../../lib/inspect/effective-rules.ts";
import { evaluate, evaluateFor } from "../../../lib/policy/evaluate.ts";
import { ruleSchema } from "../../../lib/policy/rule.ts";
import { rules } from "../policy/arbitraries.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";
import { attachmentWith, unreadableKernel } from "./fixtures.ts";

const accept = rule({ action: "ACCEPT" });
const drop = rule({ action: "DROP" });

test("denies of job and runtime rules have their say before static rules, their accepts after", () => {
  const lists = decidingLists(attachmentWith({ jobRules: [accept, drop], policy: { staticRules: [accept, drop] } }), {
    runtimeRules: runtimeRulesOf({ "global/a": { rules: [drop, accept] } }),
    nowMs: 0,
  });
  const phases = lists.flatMap((list) =>
    list.rules.map((each, index) => `${list.sourceOf(index).kind} ${each.action}: ${phaseOf(each, list)}`),
  );
  expect(phases).toEqual([
    "static ACCEPT: static",
    "static DROP: static",
    "job ACCEPT: accept",
    "job DROP: deny",
    "runtime DROP: deny",
    "runtime ACCEPT: accept",
  ]);
});

test("the first rule shown that matches a packet is the one that decides it", () => {
  const someRules = fc.array(rules(), { maxLength: 4 });
  const keys = ["global/a", "global/b", "node/n1/a", "network/egress/a", "namespace/default/job/web/a"] as const;
  const sets = fc.record(Object.fromEntries(keys.map((key) => [key, someRules])), { requiredKeys: [] });
  const packets = fc.oneof(
    fc.constant({ family: 4, destination: "10.1.2.3", protocol: "tcp", port: 443 } as const),
    fc.constant({ family: 6, destination: "2001:db8::1", protocol: "icmpv6" } as const),
  );
  fc.assert(
    fc.property(
      someRules,
      someRules,
      someRules,
      sets,
      packets,
      (staticRules, initialRules, jobRules, byKey, packet) => {
        const attachment = attachmentWith({ jobRules, policy: { staticRules, initialRules } });
        const ruleSets = Object.fromEntries(Object.entries(byKey).map(([key, each]) => [key, { rules: each ?? [] }]));
        const context = { runtimeRules: runtimeRulesOf(ruleSets), nowMs: 0 };
        const shown = viewAttachment(attachment, { context, kernel: unreadableKernel }).rules;
        // As static rules they are asked one after the other, whatever they do.
        const oneByOne = evaluate(
          {
            staticRules: shown.map((each) => ruleSchema.parse(each.rule)),
            defaultAction: "DROP",
            jobRules: [],
            initialRules: [],
            networkHasRuleSet: false,
            runtimeRuleSets: [],
          },
          packet,
        ).source;
        const first = oneByOne.kind === "static" ? shown[oneByOne.index]?.source : oneByOne;
        expect(evaluateFor(attachment, packet, context).source).toEqual(first);
      },
    ),
    { numRuns: 50 },
  );
});

describe("idleRules", () => {
  const attachment = attachmentWith({ policy: { initialRules: [accept] } });

  test("expired sets of its scopes are told apart from those that decide or are audited", () => {
    const runtimeRules = runtimeRulesOf({
      "global/audited": { rules: [drop], mode: "audit" },
      "global/expired": { rules: [drop], expiresAt: 1000 },
      "global/expired-audit": { rules: [drop], expiresAt: 1000, mode: "audit" },
      "global/in-force": { rules: [drop], expiresAt: 1001 },
      "node/other/audited": { rules: [drop], mode: "audit" },
    });
    expect(idleRules(attachment, { runtimeRules, nowMs: 1000 }).map(({ key, why }) => [key, why])).toEqual([
      ["global/expired", "expired"],
      ["global/expired-audit", "expired"],
    ]);
    expect(auditedSets(attachment, { runtimeRules, nowMs: 1000 }).map(({ key }) => key)).toEqual(["global/audited"]);
  });

  test("audited sets come in the order in which they would decide", () => {
    const audited = { rules: [drop], mode: "audit" } as const;
    const runtimeRules = runtimeRulesOf({
      "namespace/default/job/web/a": audited,
      "network/egress/b": audited,
      "global/d": audited,
      "global/c": audited,
    });
    expect(auditedSets(attachment, { runtimeRules, nowMs: 0 }).map(({ key }) => key)).toEqual([
      "global/c",
      "global/d",
      "network/egress/b",
      "namespace/default/job/web/a",
    ]);
  });

  test("the conflist's runtimeRules step back for the network's own rule set", () => {
    const context = { runtimeRules: runtimeRulesOf({ "network/egress/a": { rules: [drop] } }), nowMs: 0 };
    expect(idleRules(attachment, context)).toEqual([{ why: "replaced", rules: [accept] }]);
    expect(decidingLists(attachment, context).flatMap((list) => list.rules)).toEqual([drop]);
    expect(idleRules(attachmentWith(), context)).toEqual([]);
  });
});
