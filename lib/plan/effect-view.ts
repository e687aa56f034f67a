import { describeRule, describeSource } from "../inspect/describe.ts";
import { formatCidr } from "../policy/address.ts";
import type { Decision, Source, Verdict } from "../policy/evaluate.ts";
import { formatPorts } from "../policy/ports.ts";
import type { ChangeKind, TrafficProtocol, VerdictComparison } from "../policy/verdict-changes.ts";

/** What a change of rules does to attachments, as `outbound plan --json` says it. */
export interface EffectView {
  /** Connections whose verdict changes; what opens comes first. */
  readonly changes: readonly ChangeView[];
  /** Rules that were added, removed or moved and change no verdict. */
  readonly idle: readonly IdleView[];
  /**
   * False: `changes` may not be all. There was too much to compare, or nodes have something else in force than what was
   * compared.
   */
  readonly isComplete: boolean;
  /** Rules that were not compared to the end. */
  readonly notCompared: number;
}

export interface ChangeView {
  readonly change: ChangeKind;
  readonly protocols: readonly TrafficProtocol[];
  readonly hosts: readonly { readonly block: string; readonly except: readonly string[] }[];
  /** `80,8000-8100`; null: any, or the protocols have none. */
  readonly ports: string | null;
  readonly before: DecisionView;
  readonly after: DecisionView;
}

export interface DecisionView {
  readonly verdict: Verdict;
  /** Where the deciding rule stands, in words and as data. */
  readonly from: string;
  readonly source: Source;
  /** The rule; null where none matches. */
  readonly text: string | null;
}

export interface IdleView extends DecisionView {
  readonly side: "before" | "after";
  readonly because: readonly DecisionView[];
}

export function viewEffect({ changes, idle, isComplete, notCompared }: VerdictComparison): EffectView {
  return {
    changes: changes.map(({ kind, protocols, hosts, ports, before, after }) => ({
      change: kind,
      protocols,
      hosts: hosts.map(({ block, except }) => ({ block: formatCidr(block), except: except.map(formatCidr) })),
      ports: ports.length === 0 ? null : formatPorts(ports),
      before: viewDecision(before),
      after: viewDecision(after),
    })),
    idle: idle.map(({ side, decision, because }) => ({
      side,
      ...viewDecision(decision),
      because: because.map(viewDecision),
    })),
    isComplete,
    notCompared,
  };
}

function viewDecision({ verdict, source, rule }: Decision): DecisionView {
  return { verdict, from: describeSource(source), source, text: rule ? describeRule(rule) : null };
}
