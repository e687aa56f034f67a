import { describe, expect, test } from "vitest";
import { parseJsonBytes } from "../../../lib/policy/json-bytes.ts";
import { visitJson } from "../../../lib/policy/visit-json.ts";
import { mutatedRuleSets } from "../../support/mutated-rule-sets.ts";

function issuesOf(text: string): readonly string[] {
  const parsed = parseJsonBytes(new TextEncoder().encode(text), { largestBytes: 1_000_000 });
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`);
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("parseJsonBytes", () => {
  test.each([
    ['[\n  {"action": "DROP"\n   "port": 5}]', 3, 4, "a comma is missing"],
    ['{"a": 1,\n}', 2, 1, "a comma too many, or a key is missing"],
    ["[1,\n\n]", 3, 1, "a comma too many, or a value is missing"],
    ['{"a" 1}', 1, 6, "a colon is missing"],
    ['{"a":}', 1, 6, "a value is missing"],
    ["{'action':'DROP'}", 1, 2, "text and keys need double quotes"],
    ["{action: 1}", 1, 2, "text and keys need double quotes"],
    ["{", 1, 2, 'a "}" is missing'],
    ['{"rules": [', 1, 12, 'a "]" is missing'],
    ['{"a": "b', 1, 7, "a double quote is missing at the end of the text"],
    ['{"a": "b\nc"}', 1, 7, "a double quote is missing at the end of the text"],
    ['{"a": "\u0001"}', 1, 7, "text holds a control character: write it as an escape such as \\n"],
    ['{"a": "\\x41"}', 1, 7, "JSON does not know this escape after a backslash"],
    ["[1, // one\n2]", 1, 5, "JSON has no comments"],
    ["[1] /* one", 1, 5, "JSON has no comments"],
    ["[1.]", 1, 2, "a number is not whole"],
    ["[01]", 1, 3, "a comma is missing"],
    ["[]\r\n[]", 2, 1, "more text follows the end of the value"],
    ["True", 1, 1, "text and keys need double quotes"],
    ["[NaN]", 1, 2, "text and keys need double quotes"],
    ['\u{feff}{"a"\n:]', 2, 2, "a value is missing"],
  ])("says of %j that it stops being JSON at line %i, column %i", (text, line, column, reason) => {
    expect(issuesOf(text)).toEqual([
      `$: found text that is not JSON at line ${line}, column ${column} (${reason}), expected JSON`,
    ]);
  });

  test("refuses an object that has one key twice, in whatever spelling, wherever it is", () => {
    expect(issuesOf('{"rules":[{"host":"::1","\\u0068ost":"::2"}]}')).toEqual([
      '$.rules[0].host: found the key "host" twice, expected it once',
    ]);
  });

  test("refuses values nested too deep to be looked through, in either engine's depth", () => {
    const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
    expect(issuesOf(nested(100))).toEqual([]);
    const [issue] = issuesOf(nested(101));
    expect(issue).toContain("line 1, column 101 (values are nested more than 100 deep)");
    expect(issuesOf("[".repeat(500_000))[0]).toContain("nested more than 100 deep");
    expect(issuesOf(nested(250_000))[0]).toContain("nested more than 100 deep");
  });

  test.each([
    ["rules", '{"host":"10.1.2.3","proto":"tcp","port":"443","action":"ACCEPT"},'],
    ["escapes", '"\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n",'],
    ["keys", '{"a":1,"b":2,"c":3,"d":4},'],
    ["duplicates", '{"a":1,"a":2},'],
  ])("reads 512 KiB of %s in a bounded time", (_, item) => {
    const items = item.repeat(Math.floor((512 * 1024) / item.length) - 1);
    const bytes = new TextEncoder().encode(`[${items}0]`);
    // What the machine does beside it does not count, and neither does what happens only once.
    const spentMs = Math.min(
      ...Array.from({ length: 4 }, () => {
        const before = process.cpuUsage();
        parseJsonBytes(bytes, { largestBytes: 512 * 1024 });
        return process.cpuUsage(before).user / 1000;
      }),
    );
    expect(spentMs).toBeLessThan(200);
  });
});

describe("visitJson", () => {
  test("finds a fault just where JSON.parse does", () => {
    const texts = Array.from(mutatedRuleSets({ seed: 11, count: 3000 }), ({ value }) =>
      new TextDecoder().decode(value),
    );
    const isTooDeep = (reason: string | undefined) => reason?.includes("nested more than") === true;
    const disagreeing = texts.filter((text) => {
      const fault = visitJson(text, {});
      return !isTooDeep(fault?.reason) && (fault === undefined) !== parses(text);
    });
    expect(disagreeing).toEqual([]);
    expect(texts.filter(parses).length).toBeGreaterThan(300);
  });
});
