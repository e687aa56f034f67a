import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import { isSameRuleSet } from "../../../lib/rules/proposal.ts";
import { describeChanges } from "../../../lib/rules/rule-set-diff.ts";
import { ruleSets } from "../policy/arbitraries.ts";
import { rule } from "../policy/fixtures.ts";

const database = rule({ host: "10.1.2.0/24", proto: "tcp", port: "5432", action: "ACCEPT", comment: "orders db" });
const metadata = rule({ host: "169.254.169.254", action: "DROP" });

function set(parts: Partial<RuleSet>): RuleSet {
  return { rules: [], mode: "enforce", ...parts };
}

test("a new rule set is all that it has", () => {
  expect(describeChanges(undefined, set({ rules: [database], mode: "audit", expiresAt: 0, description: "d" }))).toEqual(
    [
      "+ mode: audit",
      "+ expires: 1970-01-01T00:00:00Z",
      '+ description: "d"',
      '+ ACCEPT tcp to 10.1.2.0/24 port 5432 ("orders db")',
    ],
  );
});

test("a change is the rules that go and come, and how many stay", () => {
  expect(describeChanges(set({ rules: [database] }), set({ rules: [database, metadata] }))).toEqual([
    "+ DROP all to 169.254.169.254",
    "  1 rule unchanged",
  ]);
});

test("a switch of the mode alone shows no rule as changed", () => {
  expect(
    describeChanges(set({ rules: [database, metadata], mode: "audit" }), set({ rules: [database, metadata] })),
  ).toEqual(["  mode: audit → enforce", "  2 rules unchanged"]);
});

test("an expiry that is taken away is none afterwards", () => {
  expect(describeChanges(set({ expiresAt: 1500 }), set({}))).toEqual(["  expires: 1970-01-01T00:00:01.500Z → none"]);
});

test("of a list of addresses too long to be shown, what changed in it is shown", () => {
  const hosts = Array.from({ length: 100 }, (_, index) => `10.0.0.${index}`);
  const before = set({ rules: [rule({ host: hosts, action: "DROP" })] });
  const after = set({ rules: [rule({ host: [...hosts.slice(0, -1), "10.9.9.9"], action: "DROP" })] });
  expect(describeChanges(before, after).join(" ").replaceAll(/\s+/g, " ")).toBe(
    "~ DROP all to 10.0.0.0, 10.0.0.1, 10.0.0.2 and 97 more: with 10.9.9.9/32, without 10.0.0.99/32",
  );
});

test("a rule for any address is never shown as one with another list of addresses", () => {
  const hosts = Array.from({ length: 100 }, (_, index) => `10.0.0.${index}`);
  const before = set({ rules: [rule({ host: hosts, action: "DROP" })] });
  expect(describeChanges(before, set({ rules: [rule({ action: "DROP" })] }))).toContain("+ DROP all to any address");
});

test("a change of hundreds of rules is cut off, and says so", () => {
  const rules = Array.from({ length: 300 }, (_, index) =>
    rule({ port: String(index + 1), proto: "tcp", action: "DROP" }),
  );
  const lines = describeChanges(undefined, set({ rules }));
  expect(lines.at(-1)).toBe("… and 241 more lines");
});

test("there is a line of change exactly where two rule sets differ, and none is wider than 80 columns", () => {
  fc.assert(
    fc.property(ruleSets(), ruleSets(), (before, after) => {
      const lines = describeChanges(before, after).filter((line) => !line.endsWith(" unchanged"));
      expect(lines.length === 0).toBe(isSameRuleSet(before, after));
      expect(lines.flatMap((line) => line.split("\n")).every((line) => line.length <= 80)).toBe(true);
    }),
  );
});
