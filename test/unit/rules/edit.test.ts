import { expect, test } from "vitest";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import { editRuleSet, isEmptyEdit, parseEdit, type EditFlags } from "../../../lib/rules/edit.ts";
import { ProposalError } from "../../../lib/rules/proposal-error.ts";
import { rule } from "../policy/fixtures.ts";

const audited: RuleSet = { rules: [rule({ action: "DROP" })], mode: "audit", expiresAt: 5000, description: "metadata" };

function edited(flags: EditFlags): RuleSet {
  return editRuleSet(audited, parseEdit(flags, { nowMs: 1000 }));
}

function issuesOf(flags: EditFlags): readonly string[] {
  try {
    parseEdit(flags, { nowMs: 1000 });
  } catch (error) {
    if (error instanceof ProposalError) return error.issues.map(({ source }) => source);
    throw error;
  }
  return [];
}

test("without flags nothing changes", () => {
  expect(isEmptyEdit(parseEdit({}, { nowMs: 0 }))).toBe(true);
  expect(edited({})).toEqual(audited);
});

test("one flag switches an audited set to enforce and leaves all else", () => {
  expect(edited({ mode: "enforce" })).toEqual({ ...audited, mode: "enforce" });
});

test("a duration counts from now", () => {
  expect(edited({ for: "1h" }).expiresAt).toBe(3_601_000);
});

test("a time is taken as it is", () => {
  expect(edited({ expiresAt: "1970-01-01T00:00:09Z" }).expiresAt).toBe(9000);
});

test("an expiry and a description can be taken away", () => {
  expect(edited({ expiry: false, description: "" })).toEqual({ rules: audited.rules, mode: "audit" });
});

test.each<[EditFlags, readonly string[]]>([
  [{ mode: "off" }, ["--mode"]],
  [{ for: "soon" }, ["--for"]],
  [{ expiresAt: "tomorrow" }, ["--expires-at"]],
  [{ for: "1h", expiry: false }, ["--no-expiry"]],
  [{ for: "1h", expiresAt: "1970-01-01T00:00:09Z" }, ["--expires-at"]],
  [{ expiry: true }, ["--expiry"]],
  [{ mode: "off", for: "soon" }, ["--mode", "--for"]],
])("%j is refused by the flags that are wrong", (flags, sources) => {
  expect(issuesOf(flags)).toEqual(sources);
});
