import { isGoto, type ActualRule } from "./parse-ruleset.ts";
import type { RenderedChain } from "./render-rule.ts";

/**
 * iptables-nft compares a rule that is to be deleted with one rule of the chain after the other, about a million a
 * second; to fill a chain of 10,000 again takes 200 ms.
 */
const MOST_COMPARISONS = 100_000;
/** What we write is this; text with our comment that somebody else has put there must not end a line, or a string of C. */
const PLAIN_TEXT = /^[ -~]*$/;
/** To find a position it counts rules, a hundred times as fast. */
const MOST_STEPS = 10_000_000;

/**
 * Lines for iptables-restore that make a chain what it should be without touching the rules that stay, which so keep
 * their counters to the packet: to fill a chain again sets them to 0, and ip6tables-restore of iptables-nft 1.8.9 takes
 * no counters (it ignores `--counters`). A rule that changes its place among the others starts again.
 *
 * Rules are deleted by their text, so that what is not as `actual` says fails the transaction rather than hit another.
 * Undefined where the chain should be filled again: nothing of it stays, some rule is not ours or no plain text, or it
 * would take longer.
 */
export function editChain(
  { name, rules }: RenderedChain,
  actual: readonly ActualRule[],
): readonly string[] | undefined {
  const { gone, staying, isKept } = compare(rules, actual);
  if (staying.length === 0 || actual.some(({ hash }) => hash === undefined)) return undefined;
  if (!gone.every(({ text }) => PLAIN_TEXT.test(text))) return undefined;
  const added = rules.length - staying.length;
  if (gone.length * actual.length > MOST_COMPARISONS || added * rules.length > MOST_STEPS) return undefined;
  if (!isSameList(identities(withoutFirst(actual, gone)), identities(staying))) return undefined;
  let passed = 0;
  const insertions = rules.flatMap(({ text }, index) => {
    if (isKept(index)) passed++;
    else return [passed < staying.length ? `-I ${name} ${index + 1} ${text}` : `-A ${name} ${text}`];
    return [];
  });
  return [...gone.map(({ text }) => `-D ${name} ${text}`), ...insertions];
}

interface Comparison {
  readonly gone: readonly ActualRule[];
  /** In the order in which they stand and should stand. */
  readonly staying: readonly ActualRule[];
  /** Whether the wanted rule of that index is there already. */
  readonly isKept: (index: number) => boolean;
}

/** Of rules that are alike the first that is there stands for the first that is wanted, and so on. */
function compare(wanted: RenderedChain["rules"], actual: readonly ActualRule[]): Comparison {
  const places = new Map<string, number[]>();
  wanted.forEach((rule, index) => {
    const known = places.get(identityOf(rule));
    if (known) known.push(index);
    else places.set(identityOf(rule), [index]);
  });
  const used = new Map<string, number>();
  const found = actual.flatMap((rule) => {
    const identity = identityOf(rule);
    const nth = used.get(identity) ?? 0;
    used.set(identity, nth + 1);
    const place = places.get(identity)?.[nth];
    return place === undefined ? [] : [{ rule, place }];
  });
  const inOrder = longestRise(found.map(({ place }) => place)).flatMap((index) => found[index] ?? []);
  const staying = inOrder.map(({ rule }) => rule);
  const stays = new Set(staying);
  const kept = new Set(inOrder.map(({ place }) => place));
  return { gone: actual.filter((rule) => !stays.has(rule)), staying, isKept: (index) => kept.has(index) };
}

/** Indices of a longest rising part of `values`, not necessarily in a row (patience sorting). */
function longestRise(values: readonly number[]): readonly number[] {
  /** For each length the index at which a rise of that length ends lowest. */
  const ends: number[] = [];
  const before: (number | undefined)[] = [];
  values.forEach((value, index) => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((values[ends[middle] ?? 0] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    before[index] = ends[low - 1];
    ends[low] = index;
  });
  const rise: number[] = [];
  for (let index = ends.at(-1); index !== undefined; index = before[index]) rise.push(index);
  return rise.toReversed();
}

/** What is left where for each of `gone` the first rule like it is deleted, as iptables does. */
function withoutFirst(actual: readonly ActualRule[], gone: readonly ActualRule[]): readonly ActualRule[] {
  const pending = new Map<string, number>();
  for (const rule of gone) pending.set(identityOf(rule), (pending.get(identityOf(rule)) ?? 0) + 1);
  return actual.filter((rule) => {
    const count = pending.get(identityOf(rule)) ?? 0;
    if (count > 0) pending.set(identityOf(rule), count - 1);
    return count === 0;
  });
}

function identities(rules: readonly ActualRule[]): readonly string[] {
  return rules.map(identityOf);
}

/** A rule whose target somebody has changed is another one, though it keeps our comment. */
function identityOf(rule: Pick<ActualRule, "hash" | "target" | "text">): string {
  const { hash = "", target = "" } = rule;
  return `${hash} ${isGoto(rule) ? "-g" : "-j"} ${target}`;
}

function isSameList<T>(left: readonly T[], right: readonly T[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}
