import { parseRule, type ActualRule, type ActualRuleset } from "./parse-ruleset.ts";
import type { Plan } from "./plan.ts";

/**
 * The table as it reads after a plan, so that one who holds the lock need not read it again for the next one.
 * Undefined where the plan moved rules of shared chains: those have to be looked at.
 */
export function predictRuleset(actual: ActualRuleset, { write, remove, anchors }: Plan): ActualRuleset | undefined {
  if (anchors.length > 0) return undefined;
  const next = new Map(actual);
  for (const { name, rules } of write) {
    next.set(
      name,
      rules.map(({ text }): ActualRule => ({ text, ...parseRule(text), counters: undefined })),
    );
  }
  for (const name of remove) next.delete(name);
  return next;
}
