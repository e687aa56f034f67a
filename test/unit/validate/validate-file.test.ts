import { describe, expect, test } from "vitest";
import { unreadableFile, validateFile } from "../../../lib/validate/validate-file.ts";
import type { FileReport } from "../../../lib/validate/validation.ts";

const nowMs = Date.parse("2026-11-24T00:00:00Z");

function report(value: unknown, file = "x.json"): FileReport {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return validateFile(file, { bytes: new TextEncoder().encode(text), nowMs });
}

function issuesOf(value: unknown, file?: string): readonly string[] {
  return report(value, file).issues.map(({ path, message }) => `${path}: ${message}`);
}

function warningsOf(value: unknown): readonly string[] {
  const { isValid, issues, warnings } = report(value);
  expect({ isValid, issues }).toEqual({ isValid: true, issues: [] });
  return warnings.map(({ path, message }) => `${path}: ${message}`);
}

const accept = { host: "10.0.0.1", proto: "tcp", port: 443, action: "ACCEPT" };

describe("validateFile", () => {
  test.each([
    ["one rule", accept, "rule-set", 1],
    ["a list", [accept, { ...accept, port: 80 }], "rule-set", 2],
    ["an object with rules", { $schema: "./rule-set.schema.json", rules: [accept] }, "rule-set", 1],
    ["the plugin's object", { type: "outbound", $schema: "x", outboundRules: [accept] }, "plugin", 1],
    [
      "a conflist",
      {
        name: "n",
        plugins: [
          { type: "bridge", x: 1 },
          { type: "outbound", runtimeRules: [accept] },
        ],
      },
      "conflist",
      1,
    ],
  ])("takes %s", (_, value, kind, rules) => {
    expect(report(value)).toEqual({ file: "x.json", kind, isValid: true, rules, issues: [], warnings: [] });
  });

  test("says line and column of what is wrong, and no number of rules", () => {
    expect(report('[\n  {"action": "ALLOW"}\n]')).toEqual({
      file: "x.json",
      kind: "rule-set",
      isValid: false,
      issues: [
        {
          path: "$[0].action",
          line: 2,
          column: 14,
          message: 'found "ALLOW", expected ACCEPT, DROP or REJECT: did you mean "ACCEPT"?',
        },
      ],
      warnings: [],
    });
  });

  test("says where in a conflist the plugin's object is wrong", () => {
    const plugins = [
      { type: "bridge" },
      { type: "outbound", outboundRules: [{ ...accept, port: 70_000 }], hostTrafic: "allow" },
    ];
    expect(issuesOf({ plugins })).toEqual([
      "$.plugins[1].outboundRules[0].port: Cannot parse port: 70000 is out of range, expected 0-65535",
      '$.plugins[1].hostTrafic: unknown key "hostTrafic", did you mean "hostTraffic"?',
    ]);
  });

  test.each([
    [
      [{ type: "outbound" }, { type: "tuning" }],
      '$.plugins[0]: found outbound before "tuning", expected it last in the list',
    ],
    [
      [{ type: "outbound" }, { type: "outbound" }],
      "$.plugins[1]: found outbound once more, expected it once in the list",
    ],
    [[7, { type: "outbound" }], "$.plugins[0]: found 7, expected a plugin's object"],
    [[{ type: "outbound", backend: "nftables" }], "$.plugins[0].backend: nftables is not built yet, expected iptables"],
    [{}, "$.plugins: found an object, expected a list of plugins"],
    [null, "$.plugins: found null, expected a list of plugins"],
  ])("refuses a conflist with the plugins %j", (plugins, issue) => {
    expect(issuesOf({ plugins })).toEqual([issue]);
  });

  test("tells a conflist that is no JSON by its name", () => {
    expect([report("{", "a.conflist").kind, report("{", "a.json").kind]).toEqual(["conflist", "rule-set"]);
    expect(issuesOf("[]", "a.conflist")).toEqual(["$: found no object, expected a conflist"]);
    expect(issuesOf('{"plugins":[],"plugins":[]}')).toEqual([
      '$.plugins: found the key "plugins" twice, expected it once',
    ]);
  });

  test("has an issue with a place for a file that cannot be read, too", () => {
    expect(unreadableFile("gone.json", "ENOENT")).toEqual({
      file: "gone.json",
      isValid: false,
      issues: [{ path: "$", line: 1, column: 1, message: "cannot be read: ENOENT" }],
      warnings: [],
    });
  });

  test("survives more wrong rules in a conflist than can be listed", () => {
    const outboundRules = Array.from({ length: 150_000 }, () => 0);
    const issues = issuesOf({ plugins: [{ type: "outbound", outboundRules }] });
    expect(issues.length).toBeGreaterThan(0);
    expect(issues.length).toBeLessThanOrEqual(21);
  });
});

describe("warnings", () => {
  test("of a rule set that has expired, from the very millisecond on", () => {
    const at = (expiresAt: string) => warningsOf({ rules: [accept], expiresAt });
    expect(at("2026-11-24T00:00:00Z")).toEqual(["$.expiresAt: expired at 2026-11-24T00:00:00Z: it applies no more"]);
    expect(at("2026-11-24T00:00:00.001Z")).toEqual([]);
  });

  test("of a list without rules", () => {
    expect(warningsOf([])).toEqual(["$: has no rules: it decides nothing"]);
    expect(warningsOf({ rules: [] })).toEqual(["$.rules: has no rules: it decides nothing"]);
  });

  test("of a conflist without outbound", () => {
    expect(warningsOf({ plugins: [{ type: "bridge" }] })).toEqual([
      "$.plugins: outbound is not in the list: nothing is filtered",
    ]);
  });

  test("of runtime rules that never decide: a deny comes before every accept", () => {
    const rules = [accept, { host: "10.0.0.0/8", action: "DROP" }, { host: "10.1.0.0/16", action: "REJECT" }];
    const denied = "denies all that it accepts: DROP and REJECT come before ACCEPT, in whatever order they stand";
    const expected = (base: string) => [
      `${base}[2]: never decides: ${base}[1] comes first and matches all that it matches`,
      `${base}[0]: never decides: ${base}[1] ${denied}`,
    ];
    expect(warningsOf(rules)).toEqual(expected("$"));
    expect(warningsOf({ rules })).toEqual(expected("$.rules"));
    expect(warningsOf({ type: "outbound", runtimeRules: rules })).toEqual(expected("$.runtimeRules"));
  });

  test("of static rules by their order alone", () => {
    const deny = { host: "10.0.0.0/8", action: "DROP" };
    expect(warningsOf({ type: "outbound", outboundRules: [accept, deny] })).toEqual([]);
    expect(warningsOf({ type: "outbound", outboundRules: [deny, accept] })).toEqual([
      "$.outboundRules[1]: never decides: $.outboundRules[0] comes first and matches all that it matches",
    ]);
  });

  test("not of rules that only overlap, nor of more than are compared", () => {
    expect(warningsOf([{ host: "10.0.0.0/8", action: "DROP" }, { action: "ACCEPT" }])).toEqual([]);
    expect(warningsOf(Array.from({ length: 501 }, () => accept))).toEqual([]);
  });
});
