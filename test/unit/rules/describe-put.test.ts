import { expect, test } from "vitest";
import { describePut } from "../../../lib/rules/describe-put.ts";
import { describeRemoval } from "../../../lib/rules/describe-removal.ts";
import { toEntry } from "../../../lib/rules/entry.ts";
import { rule } from "../policy/fixtures.ts";

const key = "global/x";
const ruleSet = { rules: [rule({ action: "DROP" })], mode: "enforce" } as const;
const entryOf = (value: string) => toEntry({ key, modifyIndex: 12, value: Buffer.from(value) });

test("a key that is not there yet is new", () => {
  expect(describePut(undefined, { key, ruleSet }).split("\n")[0]).toBe("global/x: new, 1 rule");
});

test("the same in another form is unchanged, with its index", () => {
  expect(describePut(entryOf('[{"action":"drop"}]'), { key, ruleSet })).toBe(
    "global/x: unchanged, nothing to write (ModifyIndex 12)",
  );
});

test("an invalid value that is replaced says what was wrong with it", () => {
  expect(describePut(entryOf("{}"), { key, ruleSet })).toMatch(/^global\/x: 1 rule instead of an invalid value\n! \$/);
});

test("of an invalid value the first issue is told, and how many more there are", () => {
  const value = entryOf('{"action":"NO","port":70000}');
  for (const text of [describeRemoval(value), describePut(value, { key, ruleSet })]) {
    expect(text.replaceAll(/\s+/g, " ")).toMatch(/ an invalid value ! \$\.port: [^!]* \(and 1 more\)(?: |$)/);
  }
  expect(describeRemoval(entryOf('{"action":"NO"}'))).not.toContain("more");
});

test("what goes with a key is shown, an invalid value too", () => {
  expect(describeRemoval(entryOf('{"action":"DROP"}'))).toContain("- DROP all to any address");
  expect(describeRemoval(entryOf("{}"))).toMatch(/^global\/x: an invalid value\n! \$/);
});
