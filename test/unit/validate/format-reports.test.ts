import { expect, test } from "vitest";
import { formatReports } from "../../../lib/validate/format-reports.ts";
import type { FileReport } from "../../../lib/validate/validation.ts";

const issue = { path: "$.rules[0].port", line: 3, column: 14, message: "found x" };
const warning = { path: "$.expiresAt", line: 2, column: 1, message: "expired" };
const good: FileReport = {
  file: "rules/web.json",
  kind: "rule-set",
  isValid: true,
  rules: 3,
  issues: [],
  warnings: [],
};
const bad: FileReport = { file: "b.json", kind: "rule-set", isValid: false, issues: [issue], warnings: [] };

test("each thing wrong is a line that compilers write so, in the order of the file", () => {
  const later = { ...issue, line: 10, column: 2 };
  const report = { ...bad, issues: [later, issue], warnings: [warning] };
  expect(formatReports([report, good], { isQuiet: false }).split("\n")).toEqual([
    "b.json:2:1: warning: $.expiresAt: expired",
    "b.json:3:14: $.rules[0].port: found x",
    "b.json:10:2: $.rules[0].port: found x",
    "rules/web.json: ok, 3 rules",
  ]);
});

test("quiet leaves out what is all right", () => {
  expect(formatReports([good, bad], { isQuiet: true })).toBe("b.json:3:14: $.rules[0].port: found x");
  expect(formatReports([good], { isQuiet: true })).toBe("");
});

test("one rule is no rules", () => {
  expect(formatReports([{ ...good, rules: 1 }], { isQuiet: false })).toBe("rules/web.json: ok, 1 rule");
});

test("a file's name makes no line of its own", () => {
  expect(formatReports([{ ...good, file: "a\nb.json: ok" }], { isQuiet: false }).split("\n")).toHaveLength(1);
});
