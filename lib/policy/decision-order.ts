import type { Decision, PolicySubject, Source, Verdict } from "./evaluate.ts";
import type { Action, Rule } from "./rule.ts";
import { networkHasRuleSet, ruleSetsFor, type RuntimeContext } from "./runtime-rules.ts";

/** A rule that has its say on an attachment's packets, with what it decides. */
export interface OrderedRule {
  readonly rule: Rule;
  readonly decision: Decision;
}

/** All rules that decide an attachment's packets now, each list in its order: the first that matches decides. */
export interface DecisionOrder {
  readonly denies: readonly OrderedRule[];
  readonly statics: readonly OrderedRule[];
  readonly accepts: readonly OrderedRule[];
}

/** Lists once what `evaluateFor` looks through for each packet. */
export function decisionOrder(subject: PolicySubject, context: RuntimeContext): DecisionOrder {
  const { staticRules, initialRules } = subject.policy;
  const initial = networkHasRuleSet(subject.network, context) ? [] : initialRules;
  const dynamic = [
    ...subject.jobRules.map((rule, index) => toOrdered(rule, { kind: "job", index })),
    ...initial.map((rule, index) => toOrdered(rule, { kind: "initial", index })),
    ...ruleSetsFor(subject, context).flatMap(({ key, ruleSet }) =>
      ruleSet.rules.map((rule, index) => toOrdered(rule, { kind: "runtime", key, index })),
    ),
  ];
  return {
    denies: dynamic.filter(({ rule }) => rule.action !== "ACCEPT"),
    statics: staticRules.map((rule, index) => toOrdered(rule, { kind: "static", index })),
    accepts: dynamic.filter(({ rule }) => rule.action === "ACCEPT"),
  };
}

/** What becomes of a packet that no rule matches. */
export function defaultDecision(action: Action): Decision {
  return { verdict: VERDICTS[action], source: { kind: "default" } };
}

const VERDICTS = { ACCEPT: "accept", DROP: "drop", REJECT: "reject" } as const satisfies Record<Action, Verdict>;

function toOrdered(rule: Rule, source: Source): OrderedRule {
  return { rule, decision: { verdict: VERDICTS[rule.action], source, rule } };
}
