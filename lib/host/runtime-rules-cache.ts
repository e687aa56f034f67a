import { readdirSync, renameSync } from "node:fs";
import { withoutAccepts } from "../policy/expiry.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { isMissing, readOwnFile, removeIfPresent, writeFileAtomically } from "./atomic-file.ts";
import type { Log } from "./log.ts";
import { formatRuntimeRules, parseHead, parseRuntimeRules } from "./runtime-rules-text.ts";
import type { KeyChoice } from "./runtime-rules-text.ts";

export interface ReadCacheOptions {
  readonly log: Log;
  /** Leave a file that cannot be used where it is. */
  readonly readOnly: boolean;
  /** Wall clock, milliseconds since the epoch. */
  readonly nowMs: number;
  /** Which keys to read; all of them if left out. Few of many take a fraction of the time. */
  readonly choose?: KeyChoice;
}

/** Its name in the cache folder. */
export const RUNTIME_RULES_FILE = "runtime-rules.json";

/** How many files that could not be used are kept for people to look at. */
const KEPT_BAD_FILES = 3;

/**
 * The runtime rules that the watcher of this node last knew, from `<cacheDir>/runtime-rules.json`. Undefined where
 * there is no such file, or none that can be used: that is logged, the file is set aside, and nothing is thrown.
 *
 * A clock that is behind the file is wrong, as after a start without a network: what has expired cannot be told then,
 * so rule sets that expire let nothing through.
 */
export function readRuntimeRulesCache(
  cacheDir: string,
  { log, readOnly, nowMs, choose = () => () => true }: ReadCacheOptions,
): RuntimeRules | undefined {
  const file = fileIn(cacheDir);
  try {
    const { rules, latestMs, refused } = parseRuntimeRules(readOwnFile(file), { choose });
    for (const { key, issues } of refused) {
      log.error({ file, key, issues }, "A cached rule set is not valid and is left out");
    }
    if (nowMs >= latestMs) return rules;
    const times = { now: new Date(nowMs).toISOString(), latest: new Date(latestMs).toISOString() };
    log.warn({ file, ...times }, "The clock is behind the cached runtime rules: those that expire let nothing through");
    return { ...rules, ruleSets: rules.ruleSets.map((each) => (hasEnd(each) ? withoutAccepts(each) : each)) };
  } catch (error) {
    if (isMissing(error)) {
      return undefined;
    }
    log.error({ file, error: String(error) }, "The cached runtime rules cannot be used");
    if (!readOnly) {
      setAside(cacheDir, log);
    }
    return undefined;
  }
}

/**
 * Keeps the runtime rules for the next start and for the plugin.
 * @throws Error whose cause is the system's, when the file cannot be written; the one before stays
 */
export function writeRuntimeRulesCache(
  cacheDir: string,
  { rules, nowMs }: { readonly rules: RuntimeRules; readonly nowMs: number },
): void {
  const file = fileIn(cacheDir);
  const latestMs = Math.max(nowMs, latestIn(file));
  writeFileAtomically(file, formatRuntimeRules(rules, { latestMs }));
}

/** A clock that was set back must not make the file forget a later time. */
function latestIn(file: string): number {
  try {
    const text = readOwnFile(file);
    return parseHead(text.slice(0, text.indexOf("\n"))).latestMs;
  } catch {
    return 0;
  }
}

function hasEnd({ ruleSet }: RuntimeRuleSet): boolean {
  return ruleSet.expiresAt !== undefined;
}

function setAside(cacheDir: string, log: Log): void {
  const file = fileIn(cacheDir);
  try {
    const numbers = badNumbers(cacheDir);
    renameSync(file, `${file}.bad-${(numbers.at(-1) ?? 0) + 1}`);
    for (const number of numbers.slice(0, Math.max(0, numbers.length + 1 - KEPT_BAD_FILES))) {
      removeIfPresent(`${file}.bad-${number}`);
    }
  } catch (error) {
    log.error({ file, error: String(error) }, "The cached runtime rules cannot be set aside");
  }
}

/** In ascending order. */
function badNumbers(cacheDir: string): readonly number[] {
  return readdirSync(cacheDir)
    .flatMap((name) => /^runtime-rules\.json\.bad-(\d{1,9})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => a - b);
}

function fileIn(cacheDir: string): string {
  return `${cacheDir}/${RUNTIME_RULES_FILE}`;
}
