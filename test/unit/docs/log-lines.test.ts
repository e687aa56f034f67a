import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { callsIn, findLogCalls } from "../../support/log-calls.ts";
import { codeIn, tableRows } from "../../support/markdown-rows.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const rows = tableRows(readFileSync(join(root, "docs", "log-lines.md"), "utf8"));
const calls = findLogCalls();

test("every message is a constant", () => {
  expect(calls.length).toBeGreaterThan(50);
  expect(calls.filter(({ messages }) => messages.length === 0).map(({ where }) => where)).toEqual([]);
});

test("docs/log-lines.md has each message of the sources with its level, and no other", () => {
  const logged = calls.flatMap(({ level, messages }) => messages.map((message) => `${level} ${message}`));
  const documented = rows.map(([level, message]) => `${level} ${message}`);
  expect(documented.toSorted()).toEqual([...new Set(logged)].toSorted());
});

test("docs/log-lines.md names the fields of each message, and says what to do", () => {
  for (const [, message = "", fields = "", meaning = ""] of rows) {
    const named = calls.filter(({ messages }) => messages.includes(message)).flatMap(({ fields: names }) => names);
    expect([message, ...codeIn(fields)]).toEqual(expect.arrayContaining([message, ...named]));
    expect(`${message}: ${meaning}`).toMatch(/: .+$/);
  }
});

test("a message that is put together is found out", () => {
  const source = `
    log.info({ a, b: 1, ...c }, "Constant, it is");
    log.warn({}, \`It is \${state}\`);
    log.error({}, isIt ? "One" : "Other");
    log.error(fieldsOf({ a }), MESSAGES[one(")")]);
const MESSAGES: Record<string, string> = {
  one: "One",
  "an-other": "Other",
};`;
  expect(callsIn("x.ts", source).map(({ level, messages, fields }) => ({ level, messages, fields }))).toEqual([
    { level: "info", messages: ["Constant, it is"], fields: ["a", "b"] },
    { level: "warn", messages: [], fields: [] },
    { level: "error", messages: [], fields: [] },
    { level: "error", messages: ["One", "Other"], fields: [] },
  ]);
});
