import * as z from "zod";
import { expected, firstIssues, toIssues } from "./issue.ts";
import type { Issue, Parsed } from "./issue.ts";
import { formatRule, ruleSchema } from "./rule.ts";
import type { Rule, RuleInput } from "./rule.ts";
import { formatTimestamp, parseTimestamp } from "./timestamp.ts";
import { expectedWord, unknownKeys } from "./unknown-keys.ts";

/** The value of one KV key, parsed. */
export interface RuleSet {
  readonly rules: readonly Rule[];
  readonly mode: "enforce" | "audit";
  /** Milliseconds since the epoch; from then on the set no longer applies. */
  readonly expiresAt?: number;
  readonly description?: string;
}

/** A rule set as canonical JSON holds it. */
export interface RuleSetInput {
  readonly rules: readonly RuleInput[];
  readonly mode: "enforce" | "audit";
  readonly expiresAt?: string;
  readonly description?: string;
}

/** Consul's own limit for a value (`limits.kv_max_value_size`). */
export const LARGEST_VALUE_BYTES = 512 * 1024;
/** netfilter rules a set may cost in each chain it is compiled to. */
const largestCost = 20_000;
/** What xt_multiport takes in one rule, a range counting as two. */
const portsPerMatch = 15;

const modes = {
  known: ["enforce", "audit"],
  aliases: { dryrun: "audit", log: "audit", permissive: "audit", enforcing: "enforce", on: "enforce" },
};

const shape = {
  rules: z.array(ruleSchema, { error: expected("a list of rules") }),
  mode: z.enum(["enforce", "audit"], { error: expectedWord('"enforce" or "audit"', modes) }).default("enforce"),
  expiresAt: z
    .string({ error: expected("RFC 3339 text such as 2026-12-31T18:00:00Z") })
    .meta({ format: "date-time" })
    .transform((text, context) => {
      try {
        return parseTimestamp(text);
      } catch (error) {
        context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
        return z.NEVER;
      }
    })
    .optional(),
  description: z.string({ error: expected("text") }).optional(),
};

const aliases = {
  rule: "rules",
  outboundrules: "rules",
  expires: "expiresAt",
  expiry: "expiresAt",
  expiration: "expiresAt",
  validuntil: "expiresAt",
  comment: "description",
};

const oneRule = ruleSchema.transform((rule): RuleSet => ({ rules: [rule], mode: "enforce" })).superRefine(bound);

const listOfRules = z
  .array(ruleSchema, { error: expected("a rule, a list of rules, or an object with rules") })
  .transform((rules): RuleSet => ({ rules, mode: "enforce" }))
  .superRefine(bound);

/** Editors find the schema of a file by this key. It says nothing about the rules. */
const editorKeys = { $schema: z.string({ error: expected("the address of a JSON Schema") }).optional() };

const fullForm = z
  .strictObject(
    { ...shape, ...editorKeys },
    { error: unknownKeys("a rule set object", { known: Object.keys(shape), aliases }) },
  )
  .transform(({ rules, mode, expiresAt, description }): RuleSet => {
    return {
      rules,
      mode,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(description === undefined ? {} : { description }),
    };
  })
  .superRefine(bound);

/** All three forms of a value. For the JSON Schema; `parseRuleSet` tells the forms apart, so its issues are nearer. */
export const ruleSetSchema = z.union([oneRule, listOfRules, fullForm]);

/** Parses what JSON.parse made of a KV value; `parseRuleSet` has its bytes. Never throws. At most 21 issues. */
export function parseRuleSetJson(json: unknown): Parsed<RuleSet> {
  const tooMuch = tooCostly(json);
  if (tooMuch !== undefined) return refused([tooMuch]);
  try {
    const result = formOf(json).safeParse(json);
    return result.success ? { ok: true, value: result.data } : refused(toIssues(result.error));
  } catch (error) {
    // zod passes issues on as arguments of one call: some 100,000 of them overflow the stack.
    if (!(error instanceof RangeError)) throw error;
    return refused([{ path: "$", message: "found more wrong entries than can be listed, expected rules" }]);
  }
}

/** Canonical, JSON-able: parsing it gives the same rule set again. */
export function formatRuleSet(ruleSet: RuleSet): RuleSetInput {
  return {
    rules: ruleSet.rules.map(formatRule),
    mode: ruleSet.mode,
    ...(ruleSet.expiresAt === undefined ? {} : { expiresAt: formatTimestamp(ruleSet.expiresAt) }),
    ...(ruleSet.description === undefined ? {} : { description: ruleSet.description }),
  };
}

/** Whether the set has not expired yet. Its mode is another question. */
export function isInForce(ruleSet: RuleSet, nowMs: number): boolean {
  return ruleSet.expiresAt === undefined || nowMs < ruleSet.expiresAt;
}

/** netfilter rules that a rule becomes, at most, for one family. */
export function ruleCost(rule: Rule): number {
  const ports = rule.ports.reduce((sum, { first, last }) => sum + (first === last ? 1 : 2), 0);
  return Math.max(1, rule.hosts.length) * Math.max(1, Math.ceil(ports / portsPerMatch));
}

function refused(issues: readonly Issue[]): Parsed<never> {
  return { ok: false, issues: firstIssues(issues) };
}

function bound(ruleSet: RuleSet, context: z.RefinementCtx): void {
  const cost = ruleSet.rules.reduce((sum, rule) => sum + ruleCost(rule), 0);
  if (cost <= largestCost) return;
  context.addIssue({ code: "custom", message: costMessage(`${cost}`) });
}

function costMessage(cost: string): string {
  return `found rules that expand to ${cost} netfilter rules, expected at most ${largestCost}: use larger address blocks and port ranges`;
}

/** An object is a rule set by its keys: `rules` decides; else what only a set has, if nothing says rule. */
function formOf(json: unknown): typeof oneRule | typeof listOfRules | typeof fullForm {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return listOfRules;
  const keys = Object.keys(json).map((key) => key.toLowerCase());
  if (keys.includes("rules")) return fullForm;
  const isRule = ["host", "proto", "port", "action"].some((key) => keys.includes(key));
  const isSet = ["rule", "mode", "expiresat", "description", "$schema"].some((key) => keys.includes(key));
  return isSet && !isRule ? fullForm : oneRule;
}

/**
 * What is too much for the kernel whatever else is in it is not looked through, as that would take long: a rule costs a
 * netfilter rule for each of its addresses, and one at least.
 */
function tooCostly(json: unknown): Issue | undefined {
  const cost = rulesIn(json).reduce((sum: number, rule) => sum + Math.max(1, addressesIn(rule)), 0);
  return cost <= largestCost ? undefined : { path: "$", message: costMessage(`at least ${cost}`) };
}

function rulesIn(json: unknown): readonly unknown[] {
  if (Array.isArray(json)) return json;
  const rules = typeof json === "object" && json !== null && "rules" in json ? json.rules : undefined;
  return Array.isArray(rules) ? rules : [json];
}

function addressesIn(rule: unknown): number {
  const host = typeof rule === "object" && rule !== null && "host" in rule ? rule.host : undefined;
  return Array.isArray(host) ? host.length : 1;
}
