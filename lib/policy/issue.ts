import type { core } from "zod";
import { orList, show } from "./show.ts";

/** What is wrong with a value, and where. */
export interface Issue {
  /** Where in the JSON: `$` is the root, `$.rules[2].port` a part of it. */
  readonly path: string;
  /** What was found and what was expected. */
  readonly message: string;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** One issue for each thing wrong; of a union, those of the form that the value comes nearest to. At least one. */
export function toIssues(error: core.$ZodError): readonly Issue[] {
  return error.issues.flatMap((issue) => flatten(issue, []));
}

/** More would not fit where rejections are told, and be read by nobody. */
const mostIssues = 20;

/** The first twenty issues, and one that counts those left out. */
export function firstIssues(issues: readonly Issue[]): readonly Issue[] {
  if (issues.length <= mostIssues) return issues;
  const more = issues.length - mostIssues;
  return [...issues.slice(0, mostIssues), { path: "$", message: `found ${more} more issues, expected none` }];
}

/** A path as `Issue` writes it; keys that are no plain words are quoted: `$["a b"]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return `$${path.map(formatStep).join("")}`;
}

/** A schema's `error`: `missing, expected …` or `found …, expected …`. */
export function expected(what: string): (issue: core.$ZodRawIssue) => string {
  return ({ input }) => (input === undefined ? `missing, expected ${what}` : `found ${show(input)}, expected ${what}`);
}

function flatten(issue: core.$ZodIssue, base: readonly PropertyKey[]): readonly Issue[] {
  const path = [...base, ...issue.path];
  if (issue.code === "invalid_union") return flattenUnion(issue, path);
  if (issue.code === "unrecognized_keys") return flattenKeys(issue, path);
  if (issue.code === "invalid_key" || issue.code === "invalid_element") {
    return issue.issues.flatMap((inner) => flatten(inner, path));
  }
  return [{ path: formatPath(path), message: messageOf(issue) }];
}

function flattenUnion(issue: core.$ZodIssueInvalidUnion, path: readonly PropertyKey[]): readonly Issue[] {
  const [nearest, ...others] = issue.errors.filter((errors) => !errors.every(isWrongType));
  if (nearest !== undefined) {
    const fewest = others.reduce((best, errors) => (errors.length < best.length ? errors : best), nearest);
    return fewest.flatMap((inner) => flatten(inner, path));
  }
  const alternatives = issue.errors.flat().map(messageOf);
  const message = saysSomething(issue) || alternatives.length === 0 ? messageOf(issue) : orList(unique(alternatives));
  return [{ path: formatPath(path), message }];
}

/** The form was not meant at all: the whole value has another type. */
function isWrongType(issue: core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");
}

/** `unknownKeys` writes a line for each key; messages of other schemas name them all at once. */
function flattenKeys(issue: core.$ZodIssueUnrecognizedKeys, path: readonly PropertyKey[]): readonly Issue[] {
  const lines = issue.message.split("\n");
  if (lines.length !== issue.keys.length) return [{ path: formatPath(path), message: issue.message }];
  return issue.keys.map((key, index) => ({ path: formatPath([...path, key]), message: lines[index] ?? issue.message }));
}

function messageOf(issue: core.$ZodIssue): string {
  const found = issue.input === undefined ? "" : `, found ${show(issue.input)}`;
  if (!saysSomething(issue)) return `not a value that is expected here${found}`;
  return issue.message.replace(/^(?:Invalid input|Invalid option): /, "").replace(", received ", ", found ");
}

function saysSomething(issue: core.$ZodIssue): boolean {
  return issue.message !== "" && issue.message !== "Invalid input";
}

function unique(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}

function formatStep(step: PropertyKey): string {
  if (typeof step === "number") return `[${step}]`;
  const key = String(step);
  return /^[A-Za-z_$][\w$]{0,59}$/.test(key) ? `.${key}` : `[${show(key)}]`;
}
