import type { Log } from "../lib/host/log.ts";
import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";

/** Keeps the runtime rules on disk for the next start and for the plugin. */
export interface KeptRules {
  /** Writes them where they are others than the ones on disk. A full disk must not keep rules from the kernel. */
  readonly keep: (rules: RuntimeRules) => void;
  /** Whether what was last to be kept is on disk. */
  readonly isKept: () => boolean;
}

/** Tries again with each call; says that it cannot, why, and that it can again, each once. */
export function createKeptRules({ saveRuntimeRules, log }: KeptRulesPorts): KeptRules {
  let saved: RuntimeRules | undefined;
  let problem: string | undefined;
  return {
    keep(rules) {
      if (rules === saved) return;
      try {
        saveRuntimeRules(rules);
        saved = rules;
      } catch (error) {
        const found = String(error);
        if (found !== problem) {
          log.error({ error: found }, "Cannot keep the runtime rules on disk, a restart would not know them");
        }
        problem = found;
        return;
      }
      if (problem !== undefined) log.info({}, "The runtime rules are kept on disk again");
      problem = undefined;
    },
    isKept: () => problem === undefined,
  };
}

export interface KeptRulesPorts {
  /** @throws Error where they cannot be written */
  readonly saveRuntimeRules: (rules: RuntimeRules) => void;
  readonly log: Log;
}
