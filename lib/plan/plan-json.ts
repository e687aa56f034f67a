import { formatRuleSet, type RuleSetInput } from "../policy/rule-set.ts";
import type { Scope } from "../policy/scope.ts";
import type { EffectView } from "./effect-view.ts";
import type { OutOfStep } from "./out-of-step.ts";
import type { Plan } from "./plan.ts";

/** `outbound plan --json`. */
export interface PlanJson {
  readonly key: string;
  readonly scope: Scope;
  readonly change: "new" | "changed" | "unchanged" | "removed";
  /** Null: there is no such key, or its value is no rule set. */
  readonly before: RuleSetInput | null;
  readonly after: RuleSetInput | null;
  /** What was looked at: the status of every node, or this node's own state. */
  readonly seen: { readonly source: "status" | "state"; readonly nodes: number; readonly attachments: number };
  /** Attachments in its scope, by what the change does to them. */
  readonly effects: readonly EffectJson[];
  /** Where there are none: scopes that may have been meant. */
  readonly near: readonly Scope[];
  /** Where none is near: all that somebody is in, if they are few. */
  readonly others: readonly Scope[];
  readonly outOfStep: readonly OutOfStep[];
  readonly notes: readonly string[];
}

export interface EffectJson extends EffectView {
  readonly attachments: readonly MemberJson[];
  /** Keys of `outOfStep` that their nodes have something else in force of. */
  readonly outOfStep: readonly string[];
}

export interface MemberJson {
  readonly node: string;
  readonly network: string;
  readonly namespace?: string;
  readonly job?: string;
  readonly group?: string;
  readonly allocations: readonly string[];
}

export function toPlanJson(plan: Plan, { notes }: { readonly notes: readonly string[] }): PlanJson {
  const { key, scope, current, after, source, seen, near, others, outOfStep } = plan;
  return {
    key,
    scope,
    change: changeOf(plan),
    before: current?.parsed.ok === true ? formatRuleSet(current.parsed.value) : null,
    after: after ? formatRuleSet(after) : null,
    seen: { source, ...seen },
    effects: plan.effects.map(({ members, outOfStep: found, ...effect }) => ({
      attachments: members.map(({ node, network, identity: { namespace, job, group }, allocations }) => ({
        node,
        network,
        ...(namespace !== undefined && { namespace }),
        ...(job !== undefined && { job }),
        ...(group !== undefined && { group }),
        allocations,
      })),
      ...effect,
      outOfStep: [...new Set(found.map((each) => each.key))],
    })),
    near,
    others,
    outOfStep,
    notes,
  };
}

function changeOf({ isChange, current, after }: Plan): PlanJson["change"] {
  if (!isChange) return "unchanged";
  if (after === undefined) return "removed";
  return current ? "changed" : "new";
}
