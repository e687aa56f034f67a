import { expect, test } from "vitest";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import { warnAbout } from "../../../lib/rules/warnings.ts";
import { rule } from "../policy/fixtures.ts";

const everything: RuleSet = { rules: [rule({ action: "ACCEPT" })], mode: "enforce" };
const scope = { kind: "global" } as const;

test("to accept everything for everybody is warned about", () => {
  expect(warnAbout(everything, { scope, nowMs: 0 })).toEqual([expect.stringContaining("accepts everything")]);
  const allOfIpv4 = { ...everything, rules: [rule({ host: "0.0.0.0/0", action: "ACCEPT" })] };
  expect(warnAbout(allOfIpv4, { scope, nowMs: 0 })).toHaveLength(1);
});

test.each<[string, RuleSet]>([
  ["one protocol", { ...everything, rules: [rule({ proto: "tcp", action: "ACCEPT" })] }],
  ["a block", { ...everything, rules: [rule({ host: "10.0.0.0/8", action: "ACCEPT" })] }],
  ["a deny of everything", { ...everything, rules: [rule({ action: "DROP" })] }],
  ["audit", { ...everything, mode: "audit" }],
])("%s is not", (_, ruleSet) => {
  expect(warnAbout(ruleSet, { scope, nowMs: 0 })).toEqual([]);
});

test("a namespace that accepts everything is warned about in its own words", () => {
  expect(warnAbout(everything, { scope: { kind: "namespace", namespace: "dev" }, nowMs: 0 })).toEqual([
    "It accepts everything that no rule denies, from every allocation that it applies to",
  ]);
});

test("a rule that never decides is named, with what decides in its place", () => {
  const rules = [rule({ host: "10.0.0.0/8", action: "DROP" }), rule({ host: "10.1.2.3", action: "ACCEPT" })];
  expect(warnAbout({ rules, mode: "enforce" }, { scope, nowMs: 0 })).toEqual([
    expect.stringMatching(/^\$\.rules\[1\]: never decides: \$\.rules\[0\] denies all that it accepts/),
  ]);
});

test("an expiry in the past and no rules at all are warned about", () => {
  expect(warnAbout({ ...everything, expiresAt: 1000 }, { scope, nowMs: 1000 })).toEqual([
    "$.expiresAt: expired at 1970-01-01T00:00:01Z: it applies no more",
  ]);
  expect(warnAbout({ rules: [], mode: "enforce" }, { scope, nowMs: 0 })).toHaveLength(1);
});
