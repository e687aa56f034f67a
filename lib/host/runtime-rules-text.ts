import { crc32 } from "node:zlib";
import type { Issue } from "../policy/issue.ts";
import { formatRuleSet, parseRuleSetJson } from "../policy/rule-set.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { parseKey } from "../policy/scope.ts";

const FORMAT = 1;
const LINE_START = '{"key":"';
const END = "]}";

/** A rule set of the file that this version's parser refuses. */
export interface RefusedRuleSet {
  readonly key: string;
  readonly issues: readonly Issue[];
}

export interface ParsedRuntimeRules {
  readonly rules: RuntimeRules;
  /** The latest wall clock known when the text was written, milliseconds since the epoch; 0 where it does not say. */
  readonly latestMs: number;
  readonly refused: readonly RefusedRuleSet[];
}

/**
 * JSON with one rule set a line, in the form in which people write them. Versions read each other's files as long as
 * `format` is the same. A change to what a line starts with needs another number: readers find keys by it.
 *
 * With a checksum, since a damaged digit in an address or a time mostly leaves an address or a time. It is for bad disks:
 * who may write here can write another one. Of 10,000 rule sets it costs ADD 0.2 ms, where SHA-256 would cost 10 ms.
 */
export function formatRuntimeRules(
  { node, ruleSets }: RuntimeRules,
  { latestMs }: { readonly latestMs: number },
): string {
  const lines = ruleSets.map(({ key, modifyIndex, ruleSet, hasExpired }) =>
    JSON.stringify({ key, modifyIndex, value: formatRuleSet(ruleSet), ...(hasExpired && { hasExpired }) }),
  );
  const body = `${lines.join(",\n")}${lines.length > 0 ? "\n" : ""}${END}\n`;
  const checksum = checksumOf({ node, latestMs, body });
  const head = JSON.stringify({ format: FORMAT, node, latestMs, checksum, ruleSets: [] }).slice(0, -END.length);
  return `${head}\n${body}`;
}

/** Given the file's node, which keys to parse. */
export type KeyChoice = (node: string) => (key: string) => boolean;

/**
 * Parses what {@link formatRuntimeRules} wrote. Rule sets that are not chosen cost next to nothing.
 * @throws Error when the text is not whole, not as it was written, or of another format
 */
export function parseRuntimeRules(text: string, { choose }: { readonly choose: KeyChoice }): ParsedRuntimeRules {
  const endsAt = text.length - END.length - 2;
  const headEndsAt = text.indexOf("\n");
  if (!text.endsWith(`\n${END}\n`)) {
    throw new Error("Cannot parse runtime rules: the end is missing");
  }
  const { node, latestMs, checksum } = parseHead(text.slice(0, headEndsAt));
  if (checksum !== checksumOf({ node, latestMs, body: text.slice(headEndsAt + 1) })) {
    throw new Error("Cannot parse runtime rules: the text is not as it was written, its checksum is another one");
  }
  const isChosen = choose(node);
  const ruleSets: RuntimeRuleSet[] = [];
  const refused: RefusedRuleSet[] = [];
  // Not split into lines first: that alone would take milliseconds of a plugin's start.
  for (let at = headEndsAt + 1; at <= endsAt; at = text.indexOf("\n", at) + 1) {
    const key = keyAt(text, at);
    if (isChosen(key)) {
      const parsed = parseLine(key, text.slice(at, text.indexOf("\n", at)));
      if ("issues" in parsed) {
        refused.push(parsed);
      } else {
        ruleSets.push(parsed);
      }
    }
  }
  return { rules: { node, ruleSets }, latestMs, refused };
}

/** The first line, whose end the list of rule sets follows. */
export function parseHead(head: string): Head {
  const json: unknown = JSON.parse(head + END);
  if (typeof json !== "object" || json === null || !("format" in json) || json.format !== FORMAT) {
    throw new Error(`Cannot parse runtime rules: the format is another one, expected ${FORMAT}`);
  }
  if (!("node" in json) || typeof json.node !== "string") {
    throw new Error("Cannot parse runtime rules: the node is missing");
  }
  const latestMs = "latestMs" in json && typeof json.latestMs === "number" ? json.latestMs : 0;
  const checksum = "checksum" in json ? json.checksum : undefined;
  return { node: json.node, latestMs, checksum };
}

interface Head {
  readonly node: string;
  readonly latestMs: number;
  readonly checksum: unknown;
}

/** Of a head and what follows it. */
export function checksumOf({ node, latestMs, body }: Omit<Head, "checksum"> & { readonly body: string }): number {
  return crc32(body, crc32(JSON.stringify([node, latestMs])));
}

/** Keys hold no character that JSON escapes. */
function keyAt(text: string, at: number): string {
  const startsAt = at + LINE_START.length;
  const endsAt = text.indexOf('"', startsAt);
  if (!text.startsWith(LINE_START, at) || endsAt < 0) {
    throw new Error("Cannot parse runtime rules: a line is no rule set");
  }
  return text.slice(startsAt, endsAt);
}

function parseLine(key: string, line: string): RuntimeRuleSet | RefusedRuleSet {
  const json: unknown = JSON.parse(line.endsWith(",") ? line.slice(0, -1) : line);
  const parsedKey = parseKey(key);
  if (typeof json !== "object" || json === null || !("modifyIndex" in json && "value" in json)) {
    throw new Error(`Cannot parse runtime rules: ${key} has no value or no ModifyIndex`);
  }
  const { modifyIndex, value } = json;
  if (parsedKey.kind !== "rule-set" || !Number.isSafeInteger(modifyIndex)) {
    throw new Error(`Cannot parse runtime rules: ${key} is no rule set's key or has no ModifyIndex`);
  }
  const { scope, name } = parsedKey;
  const parsed = parseRuleSetJson(value);
  if (!parsed.ok) return { key, issues: parsed.issues };
  const hasExpired = "hasExpired" in json && json.hasExpired === true;
  return {
    key,
    scope,
    name,
    modifyIndex: Number(modifyIndex),
    ruleSet: parsed.value,
    ...(hasExpired && { hasExpired }),
  };
}
