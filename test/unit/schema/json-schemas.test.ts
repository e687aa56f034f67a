/**
 * The JSON Schemas as they are shipped. `UPDATE_GOLDEN=1` writes deploy/schema/ anew.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULTS } from "../../../lib/cni/defaults.ts";
import { readPluginConfig } from "../../../lib/cni/config.ts";
import { formatRule } from "../../../lib/policy/rule.ts";
import { formatRuleSet, parseRuleSetJson } from "../../../lib/policy/rule-set.ts";
import { jsonSchemaOf } from "../../../lib/schema/json-schemas.ts";
import type { SchemaName } from "../../../lib/schema/json-schemas.ts";
import { parseOwnJson } from "../../support/json.ts";
import { mutatedRuleSets } from "../../support/mutated-rule-sets.ts";
import { actions, rules, ruleSets } from "../policy/arbitraries.ts";

const names = ["rule-set", "plugin"] as const satisfies readonly SchemaName[];
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, formats: { "date-time": true } });
const isRuleSet = ajv.compile(jsonSchemaOf("rule-set"));
const isPlugin = ajv.compile(jsonSchemaOf("plugin"));

/** What is JSON among the mutated values. */
const mutated: readonly unknown[] = [...mutatedRuleSets({ seed: 3, count: 10_000 })].flatMap(({ value }) => {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(value));
    return [json];
  } catch {
    return [];
  }
});

describe("the JSON Schemas", () => {
  test.each(names)("deploy/schema/%s.schema.json is what the sources say", (name) => {
    const file = join(import.meta.dirname, "..", "..", "..", "deploy", "schema", `${name}.schema.json`);
    const text = `${JSON.stringify(jsonSchemaOf(name), undefined, 2)}\n`;
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, text);
    expect(readFileSync(file, "utf8")).toBe(text);
  });

  test.each(names)("of a %s has its draft, an id, a title and a description of every key", (name) => {
    const schema = jsonSchemaOf(name);
    expect(schema).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: `urn:cni-outbound:schema:${name}`,
    });
    expect([schema.title, schema.description].map((text) => typeof text)).toEqual(["string", "string"]);
    const properties = propertiesIn(schema);
    expect(properties.length).toBeGreaterThan(15);
    expect(properties.filter(([, property]) => !/\w/.test(String(at(property, "description"))))).toEqual([]);
    expect(ajv.validateSchema(schema)).toBe(true);
  });

  test("offers only examples that parse", () => {
    for (const [key, property] of propertiesIn(jsonSchemaOf("rule-set"))) {
      for (const example of listOf(at(property, "examples"))) {
        const ruleKeys = { action: "DROP", ...(key === "port" ? { proto: "tcp" } : {}) };
        const isOfSet = ["expiresAt"].includes(key);
        const value = isOfSet ? { rules: [], [key]: example } : { ...ruleKeys, [key]: example };
        expect(parseRuleSetJson(value)).toMatchObject({ ok: true });
      }
    }
  });
});

describe("the JSON Schema of a rule set", () => {
  test("takes every rule set", () => {
    fc.assert(
      fc.property(ruleSets(), (ruleSet) => {
        const json: unknown = JSON.parse(JSON.stringify(formatRuleSet(ruleSet)));
        expect(isRuleSet(json)).toBe(true);
        expect(isRuleSet(at(json, "rules"))).toBe(true);
      }),
    );
  });

  test("takes whatever parses, so that what it refuses does not parse, of 10,000 mutated values", () => {
    const [taken, refused] = [mutated.filter((json) => isRuleSet(json)), mutated.filter((json) => !isRuleSet(json))];
    expect(refused.filter((json) => parseRuleSetJson(json).ok).map((json) => JSON.stringify(json))).toEqual([]);
    expect(taken.length).toBeGreaterThan(2000);
    expect(refused.length).toBeGreaterThan(2000);
  });

  test.each([
    [{ action: "ALLOW" }],
    [{ action: "DROP", protocol: "tcp" }],
    [{ rules: [], $schema: 5 }],
    [{ action: "DROP", proto: "tcp", port: 65_536 }],
    [{ action: "DROP", proto: "tcp", port: -1 }],
    [{ action: "DROP", proto: "tcp", port: 80.5 }],
    [[{ action: "DROP", $schema: "x" }]],
    [{ rules: [{ action: "DROP", host: [] }] }],
    ["DROP"],
  ])("refuses %j", (value) => {
    expect([isRuleSet(value), parseRuleSetJson(value).ok]).toEqual([false, false]);
  });
});

describe("the JSON Schema of the plugin's object", () => {
  const some = fc.oneof(fc.constantFrom<unknown>(null, 5, "x", [], {}, true, "/tmp", "relative"), actions());
  const wanted = fc.record(
    {
      type: fc.constant("outbound"),
      name: fc.string(),
      prevResult: fc.object(),
      "cni.dev/x": fc.anything(),
      $schema: fc.string(),
      chainName: fc.constantFrom("CNI-OUTBOUND", "X", "a.b_c-d"),
      defaultAction: fc.constantFrom("DROP", "accept", "Reject"),
      outboundRules: fc.array(rules().map(formatRule), { maxLength: 3 }),
      runtimeRules: fc.array(rules().map(formatRule), { maxLength: 3 }),
      hostTraffic: fc.constantFrom("filter", "allow"),
      jobRules: fc.constantFrom("accept", "deny-only", "ignore"),
      logDenied: fc.boolean(),
      backend: fc.constantFrom("iptables", "nftables"),
      logging: fc.record({ enable: fc.boolean(), directory: fc.constant("/var/log") }, { requiredKeys: [] }),
      stateDir: fc.constantFrom(DEFAULTS.stateDir, "/x"),
      cacheDir: fc.constant(DEFAULTS.cacheDir),
    },
    { requiredKeys: [] },
  );

  test("takes whatever the plugin takes, and the plugin refuses what it refuses", () => {
    const keys = [
      "chainName",
      "defaultAction",
      "outboundRules",
      "hostTraffic",
      "logDenied",
      "logging",
      "stateDir",
      "frob",
      "typ",
    ];
    const seen = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(wanted, fc.option(fc.tuple(fc.constantFrom(...keys), some)), (config, change) => {
        const text = JSON.stringify(change === null ? config : { ...config, [change[0]]: change[1] });
        const json = parseOwnJson<Record<string, unknown>>(text);
        const isTaken = isPlugin(json);
        seen[isTaken ? "taken" : "refused"] += 1;
        expect({ text, isWrong: !isTaken && readPluginConfig(json).ok }).toEqual({ text, isWrong: false });
      }),
      { numRuns: 2000, seed: 8 },
    );
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(300);
  });
});

function at(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([each]) => each === key)?.[1];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Every key that a schema describes, however deep. */
function propertiesIn(schema: unknown): readonly (readonly [string, unknown])[] {
  if (typeof schema !== "object" || schema === null) return [];
  const own = Object.entries(at(schema, "properties") ?? {});
  return [...own, ...Object.values(schema).flatMap(propertiesIn)];
}
