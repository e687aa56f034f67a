import { readFileSync, statSync } from "node:fs";
import type { Fact } from "../lib/doctor/check.ts";
import type { CacheFacts } from "../lib/doctor/state.ts";
import { readFact } from "../lib/host/read-fact.ts";
import { readRuntimeRulesCache } from "../lib/host/runtime-rules-cache.ts";
import { parseRuntimeRules } from "../lib/host/runtime-rules-text.ts";
import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";

/** What is cached, and the rules of it as the next ADD takes them. */
export interface CachedRules {
  /** Undefined where there is no file. */
  readonly facts: Fact<CacheFacts> | undefined;
  /** Undefined where there are none, or not all of them can be read. */
  readonly rules: RuntimeRules | undefined;
}

export function readCacheFacts(cacheDir: string, nowMs: number): CachedRules {
  const file = `${cacheDir}/runtime-rules.json`;
  let isWhole = true;
  const log = { info: () => {}, warn: () => {}, error: () => (isWhole = false) };
  const rules = readRuntimeRulesCache(cacheDir, { log, readOnly: true, nowMs });
  const facts = readFact((): CacheFacts | undefined => {
    const stats = statSync(file, { throwIfNoEntry: false });
    if (!stats) return undefined;
    const parsed = parseRuntimeRules(readFileSync(file, "utf8"), { choose: () => () => true });
    return {
      node: parsed.rules.node,
      ruleSets: parsed.rules.ruleSets.length,
      refused: parsed.refused.map(({ key }) => key),
      writtenAtMs: stats.mtimeMs,
      latestMs: parsed.latestMs,
    };
  });
  return { facts, rules: isWhole ? rules : undefined };
}
