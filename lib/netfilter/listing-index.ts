import { parseRuleset, type ActualRule, type ActualRuleset } from "./parse-ruleset.ts";

/** Where each chain is in what `iptables-save` printed, so that a few of thousands can be taken apart alone. */
export interface ListingIndex {
  /** These chains; those that are not there are left out. */
  readonly pick: (chains: Iterable<string>) => ActualRuleset;
  /** A chain and every one that a packet may get to from there, the nearest first, of `mostLines` lines altogether. */
  readonly reach: (chain: string, mostLines: number) => ActualRuleset;
}

/**
 * Finds the chains of the filter table. It prints a chain's rules one after another (iptables-save(8)). `pause` is
 * awaited now and then: a node's table may have a hundred thousand lines, and others want their turn.
 */
export async function indexListing(listing: string, pause: () => Promise<void>): Promise<ListingIndex> {
  const ranges = await findChains(listing, pause);
  const parse = (chain: string, mostLines = Number.POSITIVE_INFINITY): readonly ActualRule[] | undefined => {
    const range = ranges.get(chain);
    if (!range) return undefined;
    const text = listing.slice(range.start, range.end);
    return parseRuleset(firstLines(text, mostLines)).get(chain) ?? [];
  };
  return {
    pick: (chains) =>
      new Map(
        Array.from(chains).flatMap((chain) => {
          const rules = parse(chain);
          return rules ? [[chain, rules] as const] : [];
        }),
      ),
    reach(chain, mostLines) {
      let left = mostLines;
      const reached = new Map<string, readonly ActualRule[]>();
      const waiting = [chain];
      for (let next = waiting.shift(); next !== undefined && left > 0; next = waiting.shift()) {
        const rules = reached.has(next) ? undefined : parse(next, left);
        if (!rules) continue;
        left -= rules.length;
        reached.set(next, rules);
        waiting.push(...rules.flatMap(({ target }) => target ?? []));
      }
      return reached;
    },
  };
}

function firstLines(text: string, most: number): string {
  let end = 0;
  for (let lines = 0; lines < most; lines += 1) {
    const feed = text.indexOf("\n", end);
    if (feed === -1) return text;
    end = feed + 1;
  }
  return text.slice(0, end);
}

interface Range {
  start: number;
  end: number;
}

const LINES_BETWEEN_PAUSES = 10_000;

/** Looks at the start of each line only. */
async function findChains(listing: string, pause: () => Promise<void>): Promise<ReadonlyMap<string, Range>> {
  const ranges = new Map<string, Range>();
  /** The current chain with the space behind it. */
  let chain = "";
  let current: Range | undefined;
  for (let start = 0, next = 0, lines = 1; start < listing.length; start = next, lines += 1) {
    if (lines % LINES_BETWEEN_PAUSES === 0) await pause();
    const feed = listing.indexOf("\n", start);
    next = feed === -1 ? listing.length : feed + 1;
    if (listing[start] === ":") {
      const name = listing.slice(start + 1, listing.indexOf(" ", start));
      if (!ranges.has(name)) ranges.set(name, { start, end: next });
      continue;
    }
    const rule = ruleStart(listing, start, next);
    if (rule === -1) continue;
    if (current && listing.startsWith(chain, rule)) {
      current.end = next;
      continue;
    }
    const name = listing.slice(rule, listing.indexOf(" ", rule));
    chain = `${name} `;
    current = { start, end: next };
    ranges.set(name, current);
  }
  return ranges;
}

/** Where the chain's name begins in `-A CHAIN …` and `[1:60] -A CHAIN …`; -1 where the line is no rule. */
function ruleStart(listing: string, start: number, end: number): number {
  if (listing.startsWith("-A ", start)) return start + 3;
  if (listing[start] !== "[") return -1;
  const bracket = listing.indexOf("] -A ", start);
  return bracket === -1 || bracket >= end ? -1 : bracket + 5;
}
