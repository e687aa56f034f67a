import { covers } from "../policy/covers.ts";
import type { Issue } from "../policy/issue.ts";
import type { Rule } from "../policy/rule.ts";

/** A rule and its path in the JSON. */
export interface PlacedRule {
  readonly rule: Rule;
  readonly path: string;
}

/** Every rule is compared with every other: more would take long for a warning. */
const mostCompared = 500;

/** Rules of a list in which the first that matches decides, and which never get to. */
export function warnOfStatic(rules: readonly PlacedRule[]): readonly Issue[] {
  return undecided(rules, (earlier) => `${earlier.path} comes first and matches all that it matches`);
}

/** The same of runtime rules, of which those that deny come before those that accept, wherever they stand. */
export function warnOfRuntime(rules: readonly PlacedRule[]): readonly Issue[] {
  const denies = rules.filter(({ rule }) => rule.action !== "ACCEPT");
  const accepts = rules.filter(({ rule }) => rule.action === "ACCEPT");
  return undecided([...denies, ...accepts], (earlier, { rule }) => {
    if (rule.action === "ACCEPT" && earlier.rule.action !== "ACCEPT") {
      return `${earlier.path} denies all that it accepts: DROP and REJECT come before ACCEPT, in whatever order they stand`;
    }
    return `${earlier.path} comes first and matches all that it matches`;
  });
}

function undecided(
  order: readonly PlacedRule[],
  reason: (earlier: PlacedRule, later: PlacedRule) => string,
): readonly Issue[] {
  const compared = order.reduce((sum, { rule }) => sum + Math.max(1, rule.hosts.length), 0);
  if (compared > mostCompared) return [];
  return order.flatMap((later, index) => {
    const earlier = order.slice(0, index).find(({ rule }) => covers(rule, later.rule));
    return earlier === undefined ? [] : [{ path: later.path, message: `never decides: ${reason(earlier, later)}` }];
  });
}
