import type { OrderedRule } from "./decision-order.ts";
import type { Decision } from "./evaluate.ts";
import type { Overlaid } from "./port-paint.ts";
import type { PortRange } from "./ports.ts";
import { portsOf, type ComparedPart } from "./rule-part.ts";

/** What has become of a changed rule so far. */
export interface RuleEffect {
  readonly side: "before" | "after";
  /** Whether a verdict changes by it. */
  isEffective: boolean;
  /** What else decides where it matches and no verdict changes. */
  readonly because: Set<Decision>;
}

export type RuleEffects = Map<OrderedRule, RuleEffect>;

/** How many reasons are kept for a rule without effect, and how many pieces of each block are asked for them. */
const MOST_REASONS = 3;
const MOST_ASKED = 8;

export interface ComparedBlock {
  readonly changed: readonly ComparedPart[];
  /** Sorted. */
  readonly pieces: readonly Overlaid<ComparedPart>[];
  /** Where no rule matches. */
  readonly otherwise: Decision;
}

/** Takes note of what the changed parts do in one block. */
export function noteEffects(effects: RuleEffects, { changed, pieces, otherwise }: ComparedBlock): void {
  for (const { part, side } of changed) {
    if (!effects.has(part.rule)) effects.set(part.rule, { side, isEffective: false, because: new Set() });
  }
  for (const { before, after } of pieces) {
    if ((before?.part.rule.decision ?? otherwise).verdict === (after?.part.rule.decision ?? otherwise).verdict)
      continue;
    for (const by of [before, after]) {
      const effect = by?.isChanged === true ? effects.get(by.part.rule) : undefined;
      if (effect) effect.isEffective = true;
    }
  }
  for (const each of changed) {
    const effect = effects.get(each.part.rule);
    if (!effect || effect.isEffective || effect.because.size >= MOST_REASONS) continue;
    for (const { before, after } of piecesOf(each, pieces)) {
      const [own, other] = each.side === "after" ? [after, before] : [before, after];
      const reason: Decision = (own?.part.rule === each.part.rule ? other : own)?.part.rule.decision ?? otherwise;
      if (effect.because.size < MOST_REASONS) effect.because.add(reason);
    }
  }
}

/** The first few pieces that a part matches. */
function piecesOf(part: ComparedPart, pieces: readonly Overlaid<ComparedPart>[]): readonly Overlaid<ComparedPart>[] {
  const ports = portsOf(part);
  if (ports.length === 0) return pieces.slice(0, MOST_ASKED);
  return ports.flatMap((range) => piecesIn(range, pieces)).slice(0, MOST_ASKED);
}

function piecesIn({ first, last }: PortRange, pieces: readonly Overlaid<ComparedPart>[]) {
  let [low, high] = [0, pieces.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pieces[middle]?.last ?? 0) < first) low = middle + 1;
    else high = middle;
  }
  return pieces.slice(low, low + MOST_ASKED).filter((piece) => piece.first <= last);
}
