import * as z from "zod";
import type { Identity } from "../policy/attachment.ts";
import { expected, toIssues } from "../policy/issue.ts";
import { ruleSchema } from "../policy/rule.ts";
import type { Rule } from "../policy/rule.ts";
import type { JobRulesMode } from "./config.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import { formatIssues } from "./format-issues.ts";
import { ruleLimitIssue } from "./rule-limit.ts";

/** What CNI_ARGS say that concerns us. */
export interface CniArgs {
  readonly identity: Identity;
  /** The job's rules as text, from `outbound.additional_rules`. */
  readonly additionalRules?: string;
  /**
   * Nomad's keys that came more than once with different values. They are left out of `identity`. Nomad sends each
   * once and does not escape ";" in a value that a job interpolates, so a job forged one of them: ADD refuses it.
   */
  readonly ambiguous: readonly string[];
}

/**
 * Read `K=V;K=V`. The order is random, nothing is escaped, and a value may hold "=". An empty value counts as absent,
 * and so does a pair without "=". What is no Unicode text becomes U+FFFD, as bytes that are no UTF-8 have already. Never
 * throws.
 */
export function parseCniArgs(text: string): CniArgs {
  const values = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const [key, value] of pairs(text.toWellFormed())) {
    const first = values.get(key);
    if (first === undefined) values.set(key, value);
    else if (first !== value && IDENTITY_KEYS.has(key)) ambiguous.add(key);
  }

  const identity: { -readonly [Field in keyof Identity]: Identity[Field] } = {};
  for (const [key, field] of IDENTITY_KEYS) {
    const value = values.get(key);
    if (value !== undefined && !ambiguous.has(key)) identity[field] = value;
  }
  const additionalRules = values.get(JOB_RULES_KEY);
  return {
    identity,
    ...(additionalRules === undefined ? {} : { additionalRules }),
    ambiguous: [...ambiguous].toSorted(),
  };
}

/** A job's rules, after the conflist's `jobRules` had its say. */
export interface JobRules {
  readonly rules: readonly Rule[];
  /** How many ACCEPT rules `deny-only` left out. */
  readonly ignored: number;
}

/**
 * Parse a job's rules: JSON, one rule or an array of them. With `ignore` the text is not even looked at. With
 * `deny-only` every rule must still be valid.
 *
 * @throws {CniError} code 4 that names each path and what was expected there
 */
export function parseJobRules(text: string, mode: JobRulesMode): JobRules {
  if (mode === "ignore") return { rules: [], ignored: 0 };
  const all = parseRules(text);
  const rules = mode === "deny-only" ? all.filter((rule) => rule.action !== "ACCEPT") : all;
  return { rules, ignored: all.length - rules.length };
}

/** The key in a job's `network { cni { args { } } }`; the Go plugin's name for it. */
const JOB_RULES_KEY = "outbound.additional_rules";

const IDENTITY_KEYS: ReadonlyMap<string, keyof Identity> = new Map([
  ["NOMAD_REGION", "region"],
  ["NOMAD_NAMESPACE", "namespace"],
  ["NOMAD_JOB_ID", "job"],
  ["NOMAD_GROUP_NAME", "group"],
]);

function pairs(text: string): readonly (readonly [key: string, value: string])[] {
  return text.split(";").flatMap((pair) => {
    const at = pair.indexOf("=");
    if (at === -1 || at === pair.length - 1) return [];
    return [[pair.slice(0, at), pair.slice(at + 1)] as const];
  });
}

const listOfRules = z.array(ruleSchema, { error: expected("a rule or a list of rules") });
const oneRule = ruleSchema.transform((rule): Rule[] => [rule]);

function parseRules(text: string): readonly Rule[] {
  const json = parseJson(text);
  const isOne = typeof json === "object" && json !== null && !Array.isArray(json);
  const result = (isOne ? oneRule : listOfRules).safeParse(json);
  if (!result.success) throw invalid(formatIssues(toIssues(result.error)));
  const tooMany = ruleLimitIssue(result.data);
  if (tooMany !== undefined) throw invalid(tooMany);
  return result.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalid(`found text that is not JSON (${reason}), expected a rule or a list of rules`, cause);
  }
}

function invalid(reason: string, cause?: unknown): CniError {
  return new CniError(`Cannot parse ${JOB_RULES_KEY} in CNI_ARGS: ${reason}`, {
    code: CNI_ERROR.invalidEnvironment,
    cause,
  });
}
