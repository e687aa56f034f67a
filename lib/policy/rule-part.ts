import { formatCidr, type Cidr } from "./address.ts";
import type { DecisionOrder, OrderedRule } from "./decision-order.ts";
import { formatPorts, type PortRange } from "./ports.ts";

/** A rule as far as it is about one block: what two versions of a long list of addresses are compared by. */
export interface RulePart {
  readonly rule: OrderedRule;
  /** Undefined: any address of both families. */
  readonly block: Cidr | undefined;
  /** Its place among all parts: the lowest that matches decides. */
  readonly order: number;
  /** Equal parts match the same packets and decide the same. */
  readonly text: string;
}

/** A part on one side of a change. */
export interface ComparedPart {
  readonly part: RulePart;
  readonly side: "before" | "after";
  readonly isChanged: boolean;
}

/** The rules of one moment, in parts. */
export interface OrderedParts {
  readonly denies: readonly RulePart[];
  readonly statics: readonly RulePart[];
  readonly accepts: readonly RulePart[];
}

/** Empty: any. */
export function portsOf({ part }: ComparedPart): readonly PortRange[] {
  return part.rule.rule.ports;
}

export function toParts({ denies, statics, accepts }: DecisionOrder): OrderedParts {
  let order = 0;
  const split = (rules: readonly OrderedRule[]) =>
    rules.flatMap((rule): RulePart[] => {
      const { hosts, protocol, ports, action } = rule.rule;
      const match = `${action} ${protocol} ${formatPorts(ports)} `;
      if (hosts.length === 0) return [{ rule, block: undefined, order: order++, text: match }];
      return hosts.map((block) => ({ rule, block, order: order++, text: match + formatCidr(block) }));
    });
  return { denies: split(denies), statics: split(statics), accepts: split(accepts) };
}

/**
 * Parts that were added, removed or moved past one that decides otherwise. A packet whose verdict changes matches one
 * of them: without them, both lists are in the same order as far as it tells. Static rules are not compared.
 */
export function changedParts(before: OrderedParts, after: OrderedParts): ReadonlySet<RulePart> {
  return new Set([...changedIn(before.denies, after.denies), ...changedIn(before.accepts, after.accepts)]);
}

function changedIn(before: readonly RulePart[], after: readonly RulePart[]): readonly RulePart[] {
  const removed = without(before, after);
  const added = without(after, before);
  const [earlier, later] = [toRuns(before, new Set(removed)), toRuns(after, new Set(added))];
  const shorter = Math.min(earlier.length, later.length);
  let same = 0;
  while (same < shorter && earlier[same]?.text === later[same]?.text) same += 1;
  let sameAtEnd = 0;
  while (sameAtEnd < shorter - same && earlier.at(-1 - sameAtEnd)?.text === later.at(-1 - sameAtEnd)?.text) {
    sameAtEnd += 1;
  }
  const moved = [earlier, later].flatMap((runs) => runs.slice(same, runs.length - sameAtEnd));
  return [...removed, ...added, ...moved.flatMap(({ parts }) => parts)];
}

/** Those that the other list has not, or has fewer of. */
function without(parts: readonly RulePart[], others: readonly RulePart[]): readonly RulePart[] {
  const counts = new Map<string, number>();
  for (const { text } of others) counts.set(text, (counts.get(text) ?? 0) + 1);
  return parts.filter(({ text }) => {
    const count = counts.get(text) ?? 0;
    counts.set(text, count - 1);
    return count <= 0;
  });
}

/** Neighbours that decide the same, whose order among themselves tells nothing. */
interface Run {
  readonly text: string;
  readonly parts: readonly RulePart[];
}

function toRuns(parts: readonly RulePart[], left: ReadonlySet<RulePart>): readonly Run[] {
  const runs: RulePart[][] = [];
  for (const part of parts) {
    if (left.has(part)) continue;
    const run = runs.at(-1);
    if (run?.[0]?.rule.rule.action === part.rule.rule.action) run.push(part);
    else runs.push([part]);
  }
  return runs.map((run) => ({
    parts: run,
    text: run
      .map(({ text }) => text)
      .toSorted()
      .join("\n"),
  }));
}
