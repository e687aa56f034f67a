import { diffArrays } from "diff";

/** What becomes of an item from one list to the other. */
export interface Change<T> {
  readonly sign: "-" | "+" | "=";
  readonly item: T;
}

/** Lists that differ in more items than this are not aligned, which would take seconds: all goes, all comes. */
const MOST_EDITS = 500;

/** How to get from one list to the other, removals before additions. Items are the same if `textOf` them is. */
export function diffLists<T>(
  before: readonly T[],
  after: readonly T[],
  { textOf }: { readonly textOf: (item: T) => string },
): readonly Change<T>[] {
  const named = (items: readonly T[]): Named<T>[] => items.map((item) => ({ text: textOf(item), item }));
  const options = { comparator: (a: Named<T>, b: Named<T>) => a.text === b.text, maxEditLength: MOST_EDITS };
  const parts = diffArrays(named(before), named(after), options) ?? [
    { value: named(before), removed: true, added: false },
    { value: named(after), removed: false, added: true },
  ];
  return parts.flatMap(({ value, removed, added }) => {
    const sign = removed ? "-" : added ? "+" : "=";
    return value.map(({ item }): Change<T> => ({ sign, item }));
  });
}

interface Named<T> {
  readonly text: string;
  readonly item: T;
}
