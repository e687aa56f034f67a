import { expiringWithin } from "../lib/policy/expiry.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../lib/policy/runtime-rules.ts";

/** How long before a rule set expires people hear of it. */
export const EXPIRY_NOTICE_MS = 600_000;

/** Remembers what was warned of, so that each version of a rule set is warned of once. */
export interface ExpiryWarnings {
  /** The rule sets that expire soon and were not told yet. */
  readonly due: (rules: RuntimeRules, nowMs: number) => readonly RuntimeRuleSet[];
}

export function createExpiryWarnings(): ExpiryWarnings {
  let told = new Set<string>();
  return {
    due: (rules, nowMs) => {
      const expiring = expiringWithin(rules, { nowMs, withinMs: EXPIRY_NOTICE_MS });
      const due = expiring.filter((each) => !told.has(versionOf(each)));
      told = new Set(expiring.map(versionOf));
      return due;
    },
  };
}

function versionOf({ key, modifyIndex }: RuntimeRuleSet): string {
  return `${modifyIndex} ${key}`;
}
