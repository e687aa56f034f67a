import * as z from "zod";
import { expected, toIssues } from "./issue.ts";
import type { Issue, Parsed } from "./issue.ts";
import { parseJsonBytes } from "./json-bytes.ts";
import { formatRule, ruleSchema } from "./rule.ts";
import type { Rule, RuleInput } from "./rule.ts";
import { formatTimestamp, parseTimestamp } from "./timestamp.ts";
import { unknownKeys } from "./unknown-keys.ts";

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
const largestBytes = 512 * 1024;
/** netfilter rules a set may cost in each chain it is compiled to. */
const largestCost = 20_000;
/** What xt_multiport takes in one rule, a range counting as two. */
const portsPerMatch = 15;
/** More would not fit where rejections are told. */
const mostIssues = 20;

const shape = {
  rules: z.array(ruleSchema, { error: expected("a list of rules") }),
  mode: z.enum(["enforce", "audit"], { error: expected('"enforce" or "audit"') }).default("enforce"),
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

const fullForm = z
  .strictObject(shape, {
    error: unknownKeys("a rule set object", { known: Object.keys(shape), aliases }),
  })
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

/**
 * Parses a KV value: strict UTF-8 JSON of at most 512 KiB that is one rule, a list of rules, or an object with
 * `rules`. A leading byte order mark, which Windows editors write, is left out. Never throws; at most 21 issues,
 * of which the last counts those left out.
 */
export function parseRuleSet(value: Uint8Array): Parsed<RuleSet> {
  const json = parseJsonBytes(value, { largestBytes });
  return json.ok ? parseRuleSetJson(json.value) : json;
}

/** Parses what JSON.parse made of a KV value. Never throws. */
export function parseRuleSetJson(json: unknown): Parsed<RuleSet> {
  try {
    const result = formOf(json).safeParse(json);
    return result.success ? { ok: true, value: result.data } : { ok: false, issues: atMost(toIssues(result.error)) };
  } catch (error) {
    // zod passes issues on as arguments of one call: some 100,000 of them overflow the stack.
    if (!(error instanceof RangeError)) throw error;
    return failure("found more wrong entries than can be listed, expected rules");
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

function bound(ruleSet: RuleSet, context: z.RefinementCtx): void {
  const cost = ruleSet.rules.reduce((sum, rule) => sum + ruleCost(rule), 0);
  if (cost <= largestCost) return;
  context.addIssue({
    code: "custom",
    message: `found rules that expand to ${cost} netfilter rules, expected at most ${largestCost}: use larger address blocks and port ranges`,
  });
}

/** An object is a rule set by its keys: `rules` decides; else what only a set has, if nothing says rule. */
function formOf(json: unknown): typeof oneRule | typeof listOfRules | typeof fullForm {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return listOfRules;
  const keys = Object.keys(json).map((key) => key.toLowerCase());
  if (keys.includes("rules")) return fullForm;
  const isRule = ["host", "proto", "port", "action"].some((key) => keys.includes(key));
  const isSet = ["rule", "mode", "expiresat", "description"].some((key) => keys.includes(key));
  return isSet && !isRule ? fullForm : oneRule;
}

function atMost(issues: readonly Issue[]): readonly Issue[] {
  if (issues.length <= mostIssues) return issues;
  const more = issues.length - mostIssues;
  return [...issues.slice(0, mostIssues), { path: "$", message: `found ${more} more issues, expected none` }];
}

function failure(message: string): Parsed<never> {
  return { ok: false, issues: [{ path: "$", message }] };
}
