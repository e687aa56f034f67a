import type { KernelTables } from "../inspect/kernel.ts";
import { parseRuleset, type ActualRule, type ActualRuleset } from "./parse-ruleset.ts";

/** Where each chain is in what `iptables-save` printed, so that a few of thousands can be taken apart alone. */
export interface ListingIndex {
  /** These chains; those that are not there are left out. */
  readonly pick: (chains: Iterable<string>) => ActualRuleset;
  /** A chain and every one that a packet may get to from there. */
  readonly reach: (chain: string) => ActualRuleset;
}

/** Finds the chains of the filter table. It prints a chain's rules one after another (iptables-save(8)). */
export function indexListing(listing: string): ListingIndex {
  const ranges = findChains(listing);
  const parse = (chain: string): readonly ActualRule[] | undefined => {
    const range = ranges.get(chain);
    return range && (parseRuleset(listing.slice(range.start, range.end)).get(chain) ?? []);
  };
  return {
    pick: (chains) =>
      new Map(
        Array.from(chains).flatMap((chain) => {
          const rules = parse(chain);
          return rules ? [[chain, rules] as const] : [];
        }),
      ),
    reach(chain) {
      const reached = new Map<string, readonly ActualRule[]>();
      const waiting = [chain];
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const rules = reached.has(next) ? undefined : parse(next);
        if (!rules) continue;
        reached.set(next, rules);
        waiting.push(...rules.flatMap(({ target }) => target ?? []));
      }
      return reached;
    },
  };
}

export type KernelListings = Readonly<Record<keyof KernelTables, ListingIndex | "absent" | "unreadable">>;

/** What is wanted of each family's table. */
export function tablesOf(listings: KernelListings, take: (index: ListingIndex) => ActualRuleset): KernelTables {
  const of = (listing: KernelListings[4]): KernelTables[4] => (typeof listing === "string" ? listing : take(listing));
  return { 4: of(listings[4]), 6: of(listings[6]) };
}

interface Range {
  start: number;
  end: number;
}

/** Looks at the start of each line only: a node's table has a hundred thousand. */
function findChains(listing: string): ReadonlyMap<string, Range> {
  const ranges = new Map<string, Range>();
  let chain = "";
  let current: Range | undefined;
  for (let start = 0, next = 0; start < listing.length; start = next) {
    const feed = listing.indexOf("\n", start);
    next = feed === -1 ? listing.length : feed + 1;
    if (listing[start] === ":") {
      const name = listing.slice(start + 1, listing.indexOf(" ", start));
      if (!ranges.has(name)) ranges.set(name, { start, end: next });
      continue;
    }
    const rule = ruleStart(listing, start, next);
    if (rule === -1) continue;
    if (current && listing.startsWith(`${chain} `, rule)) {
      current.end = next;
      continue;
    }
    chain = listing.slice(rule, listing.indexOf(" ", rule));
    current = { start, end: next };
    ranges.set(chain, current);
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
