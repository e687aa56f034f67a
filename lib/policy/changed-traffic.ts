import type { BlockNode } from "./block-tree.ts";
import { toTraffic, type ChangedTraffic, type DecidedPiece } from "./changed-regions.ts";
import type { OrderedRule } from "./decision-order.ts";
import type { Decision } from "./evaluate.ts";
import { overlay, paintPorts } from "./port-paint.ts";
import { mergeRanges, type PortRange } from "./ports.ts";
import { noteEffects, type RuleEffects } from "./rule-effects.ts";
import { portsOf, type ComparedPart } from "./rule-part.ts";

/** What a comparison keeps while it goes on. */
export interface ComparisonWork {
  /** Where no rule matches. */
  readonly otherwise: Decision;
  readonly effects: RuleEffects;
  /** Changed rules that were left when there were no more steps. */
  readonly notCompared: Set<OrderedRule>;
  stepsLeft: number;
}

/** Compares every block of the tree that a changed part is about, less the blocks inside it. */
export function compareTraffic(
  root: BlockNode<ComparedPart>,
  { hasPorts, work }: { readonly hasPorts: boolean; readonly work: ComparisonWork },
): readonly ChangedTraffic[] {
  const found: DecidedPiece[] = [];
  visit(root, { before: [], after: [], changed: [] });
  return toTraffic(found, { hasPorts });

  function visit(node: BlockNode<ComparedPart>, around: Applying): void {
    const applying = work.stepsLeft < 0 ? onlyChanged(around, node.items) : narrow(around, node.items);
    if (applying.changed.length > 0) compare(node, applying);
    for (const child of node.children) visit(child, applying);
  }

  function compare(node: BlockNode<ComparedPart>, { before, after, changed }: Applying): void {
    work.stepsLeft -= before.length + after.length + changed.length;
    if (work.stepsLeft < 0) {
      for (const { part } of changed) work.notCompared.add(part.rule);
      return;
    }
    const ranges = hasPorts ? changedPorts(changed) : [NO_PORT];
    const pieces = overlay(paintPorts(ranges, before, portsOf), paintPorts(ranges, after, portsOf));
    for (const { first, last, before: one, after: other } of pieces) {
      const [was, now] = [decisionOf(one), decisionOf(other)];
      if (was.verdict === now.verdict) continue;
      // Its children are gone through once more for each.
      work.stepsLeft -= node.children.length;
      found.push({ node, range: { first, last }, before: was, after: now });
    }
    if (!node.isCovered) noteEffects(work.effects, { changed, pieces, otherwise: work.otherwise });
  }

  function decisionOf(by: ComparedPart | undefined): Decision {
    return by?.part.rule.decision ?? work.otherwise;
  }
}

const ALL_PORTS: PortRange = { first: 0, last: 65_535 };
/** Where there are no ports, one stands for all. */
const NO_PORT: PortRange = { first: 0, last: 0 };

function changedPorts(changed: readonly ComparedPart[]): readonly PortRange[] {
  const isAny = changed.some((each) => portsOf(each).length === 0);
  return isAny ? [ALL_PORTS] : mergeRanges(changed.flatMap(portsOf));
}

/** The parts that match an address, in order of decision. */
interface Applying {
  readonly before: readonly ComparedPart[];
  readonly after: readonly ComparedPart[];
  readonly changed: readonly ComparedPart[];
}

function narrow(around: Applying, own: readonly ComparedPart[]): Applying {
  if (own.length === 0) return around;
  return {
    before: inOrder(
      around.before,
      own.filter(({ side }) => side === "before"),
    ),
    after: inOrder(
      around.after,
      own.filter(({ side }) => side === "after"),
    ),
    changed: [...around.changed, ...own.filter(({ isChanged }) => isChanged)],
  };
}

function onlyChanged({ changed }: Applying, own: readonly ComparedPart[]): Applying {
  return { before: [], after: [], changed: [...changed, ...own.filter(({ isChanged }) => isChanged)] };
}

function inOrder(parts: readonly ComparedPart[], more: readonly ComparedPart[]): readonly ComparedPart[] {
  return more.length === 0 ? parts : [...parts, ...more].toSorted((a, b) => a.part.order - b.part.order);
}
