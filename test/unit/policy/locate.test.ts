import { describe, expect, test } from "vitest";
import { createLocator, locateIssues } from "../../../lib/policy/locate.ts";
import { parseRuleSet } from "../../../lib/policy/parse-rule-set.ts";

/** Where each issue of a text is, as the text that begins there. */
function pointedAt(text: string): readonly string[] {
  const bytes = new TextEncoder().encode(text);
  const parsed = parseRuleSet(bytes);
  const lines = text.replace(/^\u{feff}/u, "").split("\n");
  return locateIssues(bytes, parsed.ok ? [] : parsed.issues).map(
    ({ path, line, column }) => `${path} -> ${lines[line - 1]?.slice(column - 1)}`,
  );
}

describe("createLocator", () => {
  test("points at a value, at an unknown key, and at the object that misses a key", () => {
    const text = ["[", '  { "host": "10.0.0.300",', '    "prt":  80 }', "]"].join("\n");
    expect(pointedAt(text).toSorted()).toEqual([
      '$[0].action -> { "host": "10.0.0.300",',
      '$[0].host -> "10.0.0.300",',
      '$[0].prt -> "prt":  80 }',
    ]);
  });

  test("points into lists, and past a byte order mark", () => {
    expect(pointedAt('\u{feff}{ "rules": [{ "action": "DROP", "host": ["::1",\n "::2%x"] }] }')).toEqual([
      '$.rules[0].host[1] -> "::2%x"] }] }',
    ]);
  });

  test("points at the second of two equal keys", () => {
    expect(pointedAt('{"action":"DROP",\n "action":"ACCEPT"}')).toEqual(['$.action -> "action":"ACCEPT"}']);
  });

  test("points at keys that are no plain words", () => {
    const text = '{"action":"DROP",\n"a b":1,\n"a\\"]b":2,\n"":3}';
    expect(pointedAt(text)).toEqual(['$["a b"] -> "a b":1,', '$["a\\"]b"] -> "a\\"]b":2,', '$[""] -> "":3}']);
  });

  test("points to where text stops being JSON, whatever the path says", () => {
    expect(pointedAt('[{"action":"DROP"}\n{}]')).toEqual(["$ -> {}]"]);
    expect(createLocator("[1,\n2")({ path: "$[0]", message: "" })).toEqual({ line: 2, column: 2 });
  });

  test("takes the root for what is nowhere in the text", () => {
    expect(createLocator("\n {}")({ path: "$.rules[3].host", message: "missing" })).toEqual({ line: 2, column: 2 });
    expect(createLocator("")({ path: "$", message: "empty" })).toEqual({ line: 1, column: 1 });
  });
});
