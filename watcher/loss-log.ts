import type { Log } from "../lib/host/log.ts";
import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";

/**
 * Says that a prefix has come to have no rule set, where it had more than one: a Consul that was wiped looks so, and so
 * does `consul kv delete -recurse`.
 */
export function logLoss({ prefix, before, after }: Loss, log: Log): void {
  const lost = countIn(before, prefix);
  if (lost > 1 && countIn(after, prefix) === 0) {
    log.warn({ prefix, ruleSets: lost }, "A prefix has lost all its rule sets");
  }
}

export interface Loss {
  /** Below the root: `global/`. */
  readonly prefix: string;
  readonly before: RuntimeRules;
  readonly after: RuntimeRules;
}

function countIn({ ruleSets }: RuntimeRules, prefix: string): number {
  return ruleSets.filter(({ key }) => key.startsWith(prefix)).length;
}
