import type { Cidr, Family } from "./address.ts";
import { mergeSpans, nestBlocks, overlaps, spanOf, wholeFamily, type PlacedItem, type Span } from "./block-tree.ts";
import { toChanges, type FoundRegion, type VerdictChange } from "./changed-regions.ts";
import { compareTraffic, type ComparisonWork } from "./changed-traffic.ts";
import { decisionOrder, defaultDecision } from "./decision-order.ts";
import type { Decision, PolicySubject } from "./evaluate.ts";
import { changedParts, toParts, type ComparedPart, type OrderedParts, type RulePart } from "./rule-part.ts";
import type { Rule } from "./rule.ts";
import type { RuntimeContext } from "./runtime-rules.ts";

export type { ChangeKind, TrafficProtocol, VerdictChange } from "./changed-regions.ts";

/** What a change of runtime rules does to the packets of an attachment. */
export interface VerdictComparison {
  /** Disjoint: a packet's verdict changes if and only if it lies in one of them. What opens comes first. */
  readonly changes: readonly VerdictChange[];
  /** Rules that were added, removed or moved and change no verdict. */
  readonly idle: readonly IdleRule[];
  /** False where the comparison was given up: what `changes` says is true, and may not be all. */
  readonly isComplete: boolean;
  /** Rules that were added, removed or moved, and were not compared to the end. */
  readonly notCompared: number;
  /** What it cost, as `maxSteps` counts. */
  readonly steps: number;
}

/** A rule without effect: before the change, where it was removed, or after it. */
export interface IdleRule {
  readonly side: "before" | "after";
  /** What it would decide, and where it stands. */
  readonly decision: Decision & { readonly rule: Rule };
  /** What decides its packets in its place, or just as it does. The first few. */
  readonly because: readonly Decision[];
}

export interface ComparisonOptions {
  readonly before: RuntimeContext;
  readonly after: RuntimeContext;
  /** A bound on time: how many times a rule may be looked at. Ten million take about a second. */
  readonly maxSteps?: number;
}

const MOST_STEPS = 10_000_000;
const FAMILIES: readonly Family[] = [4, 6];

/**
 * The exact set of connections whose verdict differs before and after a change of runtime rules. A verdict can change
 * only where a packet matches a rule that was added, removed or moved. Those matches are cut at the edges of all other
 * rules, block by block and port by port, until each piece has one decision before and one after.
 *
 * Packets of tcp, udp and sctp have a port here.
 */
export function compareVerdicts(
  subject: PolicySubject,
  { before, after, maxSteps = MOST_STEPS }: ComparisonOptions,
): VerdictComparison {
  const [earlier, later] = [toParts(decisionOrder(subject, before)), toParts(decisionOrder(subject, after))];
  const changed = changedParts(earlier, later);
  const spans = new Map<Cidr, Span>();
  const parts = changed.size === 0 ? [] : [...compared(earlier, "before"), ...compared(later, "after")];
  const work: ComparisonWork = {
    otherwise: defaultDecision(subject.policy.defaultAction),
    effects: new Map(),
    notCompared: new Set(),
    stepsLeft: maxSteps,
  };
  const found = FAMILIES.flatMap((family) => compareFamily(family, { parts, spans, work }));
  return {
    changes: toChanges(found),
    idle: [...work.effects].flatMap(([{ rule, decision }, { side, isEffective, because }]) =>
      isEffective || work.notCompared.size > 0
        ? []
        : [{ side, decision: { ...decision, rule }, because: [...because] }],
    ),
    isComplete: work.notCompared.size === 0,
    notCompared: work.notCompared.size,
    steps: maxSteps - work.stepsLeft,
  };

  function compared(side: OrderedParts, name: "before" | "after"): readonly ComparedPart[] {
    const toCompared = (part: RulePart): ComparedPart => ({ part, side: name, isChanged: changed.has(part) });
    return [side.denies, side.statics, side.accepts].flatMap((parts) => parts.map(toCompared));
  }
}

interface FamilyOptions {
  readonly parts: readonly ComparedPart[];
  /** Of blocks that have been looked at: most stand on both sides. */
  readonly spans: Map<Cidr, Span>;
  readonly work: ComparisonWork;
}

/** A protocol that no rule names has the verdicts of all others that none names. */
function compareFamily(family: Family, { parts, spans, work }: FamilyOptions): readonly FoundRegion[] {
  const placed = parts
    .filter(({ part: { block } }) => block === undefined || block.family === family)
    .map((item): PlacedItem<ComparedPart> => {
      const block = item.part.block ?? wholeFamily(family);
      return { block, span: spanOnce(block, spans), item };
    });
  const area = mergeSpans(placed.filter(({ item }) => item.isChanged).map(({ span }) => span));
  const relevant = placed.filter(({ span }) => overlaps(area, span));
  const protocolOf = ({ item }: PlacedItem<ComparedPart>) => item.part.rule.rule.protocol;
  const named = NAMED[family].filter((protocol) => relevant.some((each) => protocolOf(each) === protocol));
  const unnamed = [...NAMED[family].filter((protocol) => !named.includes(protocol)), "other" as const];
  return [...named.map((protocol) => [protocol]), unnamed].flatMap((protocols) => {
    const [name] = protocols;
    const own = relevant.filter((each) => protocolOf(each) === "all" || protocolOf(each) === name);
    if (!own.some(({ item }) => item.isChanged)) return [];
    const hasPorts = name === "tcp" || name === "udp" || name === "sctp";
    return compareTraffic(nestBlocks(family, own), { hasPorts, work }).map((group) => ({
      ...group,
      family,
      protocols,
    }));
  });
}

/** icmp is of IPv4 alone and icmpv6 of IPv6, whatever addresses a rule has. */
const NAMED = { 4: ["tcp", "udp", "sctp", "icmp"], 6: ["tcp", "udp", "sctp", "icmpv6"] } as const;

function spanOnce(block: Cidr, spans: Map<Cidr, Span>): Span {
  const known = spans.get(block);
  if (known !== undefined) return known;
  const span = spanOf(block);
  spans.set(block, span);
  return span;
}
