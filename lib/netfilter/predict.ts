import type { ActualRule, ActualRuleset } from "./parse-ruleset.ts";
import { isSame, type Plan } from "./plan.ts";
import type { RenderedChain } from "./render-rule.ts";

/**
 * The table as it reads after a plan, so that one who holds the lock need not read it again for the next one.
 * Undefined where the plan moved rules of shared chains: those have to be looked at.
 */
export function predictRuleset(actual: ActualRuleset, { write, remove, anchors }: Plan): ActualRuleset | undefined {
  if (anchors.length > 0) return undefined;
  const next = new Map(actual);
  for (const { name, rules } of write) next.set(name, rules);
  for (const name of remove) next.delete(name);
  return next;
}

/**
 * The same table with compiled rules in place of equal ones that were read, for who remembers both: a node of 1,000
 * attachments would have every rule twice, and the whole listing that the read ones are pieces of.
 */
export function shareCompiled(actual: ActualRuleset, compiled: ReadonlyMap<string, RenderedChain>): ActualRuleset {
  return new Map(
    [...actual].map(([name, rules]): [string, readonly ActualRule[]] => {
      const chain = compiled.get(name);
      return [name, chain && isSame(chain, rules) ? chain.rules : rules];
    }),
  );
}
