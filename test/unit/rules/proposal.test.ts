import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseRuleSet } from "../../../lib/policy/parse-rule-set.ts";
import { toPrintableJson } from "../../../lib/rules/printable-json.ts";
import { isSameRuleSet, toProposal } from "../../../lib/rules/proposal.ts";
import { ruleSets } from "../policy/arbitraries.ts";
import { rule } from "../policy/fixtures.ts";

test("what is written parses to what was proposed, printed for people or not", () => {
  fc.assert(
    fc.property(ruleSets(), (ruleSet) => {
      const { text } = toProposal(ruleSet);
      for (const each of [text, toPrintableJson(text)]) {
        const parsed = parseRuleSet(Buffer.from(each));
        expect(parsed.ok && isSameRuleSet(parsed.value, ruleSet)).toBe(true);
      }
    }),
  );
});

test("printed JSON moves no cursor and keeps what it says", () => {
  const printed = toPrintableJson(JSON.stringify({ description: "a\u{1b}[2J\u{202e}\u{200d}\u{e0001}\nb" }));
  expect(printed).not.toMatch(/[^\P{C}\n]/u);
  expect(JSON.parse(printed)).toEqual({ description: "a\u{1b}[2J\u{202e}\u{200d}\u{e0001}\nb" });
});

const addresses = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `192.168.${100 + (index >> 8)}.${index & 255}`);

test("what would be too large with indentation is written without", () => {
  const proposal = toProposal({ rules: [rule({ host: [...addresses(18_000)], action: "DROP" })], mode: "enforce" });
  expect(proposal.text).not.toContain("\n");
  expect(parseRuleSet(Buffer.from(proposal.text)).ok).toBe(true);
});

test("what Consul would not take is refused with its size", () => {
  const rules = Array.from({ length: 600 }, () => rule({ action: "DROP", comment: "x".repeat(1000) }));
  expect(() => toProposal({ rules, mode: "enforce" })).toThrow(/bytes of JSON, expected at most 524288/);
});
