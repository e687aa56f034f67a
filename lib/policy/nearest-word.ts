/** The words that are known at some place, and other words for them. */
export interface Vocabulary {
  readonly known: readonly string[];
  /** In lower case, without `-`, `_` and spaces. */
  readonly aliases: Readonly<Record<string, string>>;
}

/** The known word that was probably meant, if one is near. */
export function nearestWord(found: string, { known, aliases }: Vocabulary): string | undefined {
  if (found.length > longest) return undefined;
  const word = found.toLowerCase().replaceAll(/[-_ ]/g, "");
  if (Object.hasOwn(aliases, word)) return aliases[word];
  const limit = word.length < 4 ? 1 : 2;
  return known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate.toLowerCase(), limit) }))
    .filter(({ distance }) => distance <= limit)
    .toSorted((a, b) => a.distance - b.distance)[0]?.candidate;
}

/** `: did you mean "ACCEPT"?` after what was expected; empty where no word is near. */
export function didYouMean(found: unknown, vocabulary: Vocabulary): string {
  const meant = typeof found === "string" ? nearestWord(found, vocabulary) : undefined;
  return meant === undefined ? "" : `: did you mean "${meant}"?`;
}

const longest = 60;

/** Levenshtein's distance, two letters that changed places counting as one; infinity for anything above `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return Number.POSITIVE_INFINITY;
  let twoAbove: readonly number[] = [];
  let above: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = at(above, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const hasSwapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = hasSwapped ? at(twoAbove, column - 2) + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(replaced, swapped, at(above, column) + 1, at(current, column - 1) + 1));
    }
    twoAbove = above;
    above = current;
  }
  return at(above, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
