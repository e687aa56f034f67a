import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { parseRuleSet } from "../../../lib/policy/parse-rule-set.ts";
import { formatRuleSet, isInForce, ruleCost, ruleSetSchema } from "../../../lib/policy/rule-set.ts";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import { ruleSchema } from "../../../lib/policy/rule.ts";
import { ruleSets } from "./arbitraries.ts";

const drop = { hosts: [], protocol: "all", ports: [], action: "DROP" } as const;

function parseText(text: string) {
  return parseRuleSet(new TextEncoder().encode(text));
}

function parseJson(value: unknown) {
  return parseText(JSON.stringify(value));
}

function ruleSetOf(value: unknown): RuleSet {
  const parsed = parseJson(value);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.value;
}

function issuesOf(parsed: ReturnType<typeof parseRuleSet>): readonly string[] {
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`);
}

/** What no outcome may show, whatever the value was. */
function defectsOf(parsed: ReturnType<typeof parseRuleSet>): readonly unknown[] {
  if (parsed.ok) return isDeepStrictEqual(ruleSetOf(formatRuleSet(parsed.value)), parsed.value) ? [] : [parsed.value];
  if (parsed.issues.length === 0) return ["no issue"];
  return parsed.issues.filter(({ path, message }) => {
    return !path.startsWith("$") || /^(?:Invalid input)?$|undefined/.test(message);
  });
}

describe("parseRuleSet", () => {
  test("reads one rule", () => {
    expect(ruleSetOf({ action: "DROP" })).toEqual({ rules: [drop], mode: "enforce" });
  });

  test("reads an array of rules in their order", () => {
    const ruleSet = ruleSetOf([{ action: "DROP" }, { action: "ACCEPT" }]);
    expect(ruleSet.rules.map(({ action }) => action)).toEqual(["DROP", "ACCEPT"]);
    expect(ruleSetOf([])).toEqual({ rules: [], mode: "enforce" });
  });

  test("reads an object with rules, mode, expiry and description", () => {
    expect(
      ruleSetOf({
        rules: [{ action: "DROP" }],
        mode: "audit",
        expiresAt: "1970-01-01T01:00:01+01:00",
        description: "d",
      }),
    ).toEqual({ rules: [drop], mode: "audit", expiresAt: 1000, description: "d" });
    expect(ruleSetOf({ rules: [] })).toEqual({ rules: [], mode: "enforce" });
  });

  test("leaves out the byte order mark that Windows editors write", () => {
    expect(parseText('\u{feff}{"action":"DROP"}').ok).toBe(true);
  });

  test.each([
    ["{}", "$.action: missing, expected ACCEPT, DROP or REJECT"],
    ['{"action":"x"}', '$.action: found "x", expected ACCEPT, DROP or REJECT'],
    ['[{"action":"DROP"},{"action":"DROP","port":1}]', "$[1].port: found a port with proto all"],
    ['{"rules":[{"action":"DROP"},{"action":"x"}]}', '$.rules[1].action: found "x", expected'],
    ['{"rules":{"action":"DROP"}}', "$.rules: found an object, expected a list of rules"],
    ['{"rules":null}', "$.rules: found null, expected a list of rules"],
    ['{"mode":"audit"}', "$.rules: missing, expected a list of rules"],
    ['{"rules":[],"mode":"Audit"}', '$.mode: found "Audit", expected "enforce" or "audit"'],
    ['{"rules":[],"mode":null}', '$.mode: found null, expected "enforce" or "audit"'],
    ['{"rules":[],"expires":"x"}', '$.expires: unknown key "expires", did you mean "expiresAt"?'],
    ['{"rules":[],"action":"DROP"}', '$.action: unknown key "action", expected one of rules, mode'],
    ['{"action":"DROP","mode":"audit"}', '$.mode: unknown key "mode", expected one of host, proto'],
    ['{"rules":[],"expiresAt":0}', "$.expiresAt: found 0, expected RFC 3339 text"],
    [
      '{"rules":[],"expiresAt":"2026-02-30T00:00:00Z"}',
      '$.expiresAt: Cannot parse time: "2026-02-30T00:00:00Z" is not',
    ],
    ['{"rules":[],"description":5}', "$.description: found 5, expected text"],
    ['{"rules":[],"__proto__":{"mode":"audit"}}', '$.__proto__: unknown key "__proto__"'],
    ['{"__proto__":[]}', '$.__proto__: unknown key "__proto__"'],
    ["[null]", "$[0]: found null, expected a rule object"],
    ["[[]]", "$[0]: found an empty list, expected a rule object"],
    ["null", "$: found null, expected a rule, a list of rules, or an object with rules"],
    ["5", "$: found 5, expected a rule, a list of rules"],
    ['"DROP"', '$: found "DROP", expected a rule, a list of rules'],
    ["", "$: found an empty value"],
    [" \n", "$: found an empty value"],
    ["{", "$: found text that is not JSON"],
    ["{'action':'DROP'}", "$: found text that is not JSON"],
  ])("refuses %s and says where and why", (text, issue) => {
    const issues = issuesOf(parseText(text));
    expect(issues.some((each) => each.startsWith(issue))).toBe(true);
  });

  test("has the issue of a rule alone, none of the other forms", () => {
    expect(issuesOf(parseText('{"rules":[{"action":"x"}]}'))).toHaveLength(1);
    expect(issuesOf(parseText('[{"action":"x"}]'))).toHaveLength(1);
    expect(issuesOf(parseText('{"action":"x"}'))).toHaveLength(1);
  });

  test("takes the object form from its keys even when one is misspelt in case", () => {
    expect(issuesOf(parseText('{"Rules":[]}'))).toContain('$.Rules: unknown key "Rules", did you mean "rules"?');
  });

  test("refuses bytes that are not UTF-8", () => {
    const bytes = new TextEncoder().encode('{"action":"DROP","comment":"x"}');
    bytes[bytes.length - 3] = 0xff;
    expect(issuesOf(parseRuleSet(bytes))).toEqual(["$: found bytes that are not UTF-8, expected JSON in UTF-8"]);
  });

  test("takes 512 KiB and refuses a byte more", () => {
    const text = '{"action":"DROP"}';
    expect(parseText(text.padEnd(512 * 1024)).ok).toBe(true);
    expect(issuesOf(parseText(text.padEnd(512 * 1024 + 1)))).toEqual([
      "$: found 524289 bytes, expected at most 524288",
    ]);
  });

  test.each(["[", '{"a":', '{"rules":[', '[{"host":['])("survives %s nested as deep as the size allows", (opening) => {
    const depth = Math.floor((500 * 1024) / opening.length);
    expect(issuesOf(parseText(opening.repeat(depth))).length).toBeGreaterThan(0);
    const closing = opening
      .split("")
      .toReversed()
      .map((open) => ({ "[": "]", "{": "}" })[open] ?? "")
      .join("");
    const half = Math.floor(depth / 2);
    expect(issuesOf(parseText(`${opening.repeat(half)}0${closing.repeat(half)}`)).length).toBeGreaterThan(0);
  });

  test.each([
    ["[", "0,", "0]"],
    ['{"rules":[', "0,", "0]}"],
    ['{"action":"DROP","host":[', "0,", "0]}"],
    ['{"rules":[{"action":"DROP","host":[', "0,", "0]}]}"],
    ["[", "{},", "{}]"],
  ])("survives a value of %s with nothing right in it", (opening, element, closing) => {
    const issues = issuesOf(parseText(`${opening}${element.repeat(Math.floor(500_000 / element.length))}${closing}`));
    expect(issues.length).toBeGreaterThan(0);
    expect(issues.length).toBeLessThanOrEqual(21);
  });

  test("tells the first twenty issues and counts the rest", () => {
    const issues = issuesOf(parseJson(Array.from({ length: 50 }, () => ({ action: "x" }))));
    expect(issues).toHaveLength(21);
    expect(issues.at(-1)).toBe("$: found 30 more issues, expected none");
  });

  test("refuses a set that would become more than 20,000 netfilter rules", () => {
    const host = Array.from({ length: 10_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    const rule = { host, proto: "tcp", port: "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29", action: "ACCEPT" };
    expect(parseJson([rule, rule]).ok).toBe(true);
    expect(issuesOf(parseJson([rule, rule, { action: "DROP" }]))[0]).toMatch(
      /^\$: found rules that expand to at least 20001 netfilter rules, expected at most 20000/,
    );
    expect(parseJson({ rules: [rule, rule, { action: "DROP" }] }).ok).toBe(false);
    expect(parseJson({ ...rule, port: `${rule.port},31,33-35` }).ok).toBe(true);
    expect(parseJson({ ...rule, host: [...host, "10.1.0.0"], port: `${rule.port},31` }).ok).toBe(false);
  });

  test("never throws on arbitrary bytes, and says where each failure is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(defectsOf(parseRuleSet(bytes))).toEqual([]);
      }),
    );
  });

  test("never throws on arbitrary JSON, and says where each failure is", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(defectsOf(parseText(text))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("never throws on what looks like a rule set, and says where each failure is", () => {
    const leaf = fc.oneof(
      fc.constantFrom("DROP", "accept", "tcp", "icmp", "10.0.0.0/8", "::1", "443", "enforce", "2026-01-01T00:00:00Z"),
      fc.jsonValue({ maxDepth: 1 }),
    );
    const key = fc.constantFrom(
      "host",
      "proto",
      "port",
      "action",
      "comment",
      "rules",
      "mode",
      "expiresAt",
      "__proto__",
    );
    const rule = fc.dictionary(key, fc.oneof(leaf, fc.array(leaf, { maxLength: 3 })), { noNullPrototype: false });
    const value = fc.oneof(
      rule,
      fc.array(rule, { maxLength: 3 }),
      fc.record(
        { rules: fc.array(fc.oneof(rule, leaf), { maxLength: 3 }), mode: leaf, expiresAt: leaf },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(value, (json) => {
        expect(defectsOf(parseJson(json))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("formatRuleSet", () => {
  test("writes what parses to the same rule set", () => {
    fc.assert(
      fc.property(ruleSets(), (ruleSet) => {
        expect(ruleSetOf(formatRuleSet(ruleSet))).toEqual(ruleSet);
      }),
    );
  });

  test("writes the object form, whatever form was read", () => {
    expect(formatRuleSet(ruleSetOf({ action: "drop" }))).toEqual({ rules: [{ action: "DROP" }], mode: "enforce" });
  });
});

describe("ruleSetSchema", () => {
  test("reads all three forms", () => {
    const forms = [{ action: "DROP" }, [{ action: "DROP" }], { rules: [{ action: "DROP" }] }];
    expect(forms.map((form) => ruleSetSchema.parse(form))).toEqual(
      forms.map(() => ({ rules: [drop], mode: "enforce" })),
    );
  });

  test("has a JSON Schema for its input with the three forms", () => {
    const schema = z.toJSONSchema(ruleSetSchema, { io: "input" });
    expect(schema.anyOf).toMatchObject([
      { type: "object", required: ["action"] },
      { type: "array" },
      { type: "object", required: ["rules"], properties: { expiresAt: { type: "string", format: "date-time" } } },
    ]);
  });
});

describe("ruleCost", () => {
  test.each([
    [{ action: "DROP" }, 1],
    [{ action: "DROP", host: ["10.0.0.1", "10.0.0.2"] }, 2],
    [{ action: "DROP", proto: "tcp", port: "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29" }, 1],
    [{ action: "DROP", proto: "tcp", port: "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29-30" }, 2],
    [{ action: "DROP", proto: "tcp", host: ["10.0.0.1", "::1"], port: "1-2,4-5,7-8,10-11,13-14,16-17,19-20,22-23" }, 4],
  ])("of %j is %s", (input, cost) => {
    expect(ruleCost(ruleSchema.parse(input))).toBe(cost);
  });
});

describe("isInForce", () => {
  test("is over from the very millisecond of expiresAt on", () => {
    const ruleSet: RuleSet = { rules: [], mode: "enforce", expiresAt: 1000 };
    expect([999, 1000, 1001].map((nowMs) => isInForce(ruleSet, nowMs))).toEqual([true, false, false]);
  });

  test("never ends without expiresAt, and does not look at the mode", () => {
    expect(isInForce({ rules: [], mode: "audit" }, Number.MAX_SAFE_INTEGER)).toBe(true);
  });
});
