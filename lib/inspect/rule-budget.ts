import { ruleCost } from "../policy/rule-set.ts";
import type { Rule } from "../policy/rule.ts";
import type { Phase } from "./effective-rules.ts";

export interface RuleBounds {
  /** Of each phase. */
  readonly mostRules: number;
  /** netfilter rules that are looked for in the kernel, of each phase; rules beyond are shown without counters. */
  readonly mostCost: number;
}

/** `counted`: it is shown with what the kernel has counted. `shown`: without. */
export type RulePlace = "counted" | "shown" | "left-out";

export interface RuleBudget {
  /** What may be done with the next rule of a phase. Once one is not counted, none after it is. */
  readonly take: (rule: Rule, phase: Phase) => RulePlace;
  /** How many have been left out. */
  readonly leftOut: () => Readonly<Record<Phase, number>>;
}

/** Bounds the work and the length of a view of rules. */
export function createRuleBudget({ mostRules, mostCost }: RuleBounds = NO_BOUNDS): RuleBudget {
  const spent = { deny: { rules: 0, cost: 0 }, static: { rules: 0, cost: 0 }, accept: { rules: 0, cost: 0 } };
  return {
    take(rule, phase) {
      const of = spent[phase];
      of.rules += 1;
      of.cost += ruleCost(rule);
      if (of.rules > mostRules) return "left-out";
      return of.cost > mostCost ? "shown" : "counted";
    },
    leftOut: () => ({
      deny: Math.max(0, spent.deny.rules - mostRules),
      static: Math.max(0, spent.static.rules - mostRules),
      accept: Math.max(0, spent.accept.rules - mostRules),
    }),
  };
}

const NO_BOUNDS: RuleBounds = { mostRules: Number.POSITIVE_INFINITY, mostCost: Number.POSITIVE_INFINITY };
