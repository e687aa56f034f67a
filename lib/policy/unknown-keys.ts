import type { core } from "zod";
import { expected } from "./issue.ts";
import { show } from "./show.ts";

/**
 * A strict object's `error`: one line for each unknown key, with the word that was probably meant. `aliases` are
 * other words for known keys, in lower case. Other issues of the object itself say that `what` was expected.
 */
export function unknownKeys(
  what: string,
  { known, aliases }: { readonly known: readonly string[]; readonly aliases: Readonly<Record<string, string>> },
): (issue: core.$ZodRawIssue) => string {
  const otherwise = expected(what);
  return (issue) => {
    if (issue.code !== "unrecognized_keys") return otherwise(issue);
    return issue.keys.map((key) => describe(key, nearestKey(key, { known, aliases }), known)).join("\n");
  };
}

function describe(key: string, meant: string | undefined, known: readonly string[]): string {
  const hint = meant === undefined ? `expected one of ${known.join(", ")}` : `did you mean "${meant}"?`;
  return `unknown key ${show(key)}, ${hint}`;
}

function nearestKey(
  key: string,
  { known, aliases }: { readonly known: readonly string[]; readonly aliases: Readonly<Record<string, string>> },
): string | undefined {
  const word = key.toLowerCase().replaceAll(/[-_ ]/g, "");
  if (Object.hasOwn(aliases, word)) return aliases[word];
  const limit = word.length < 4 ? 1 : 2;
  return known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate.toLowerCase(), limit) }))
    .filter(({ distance }) => distance <= limit)
    .toSorted((a, b) => a.distance - b.distance)[0]?.candidate;
}

/** Levenshtein's distance; anything above `limit` may come back as infinity. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return Number.POSITIVE_INFINITY;
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = at(above, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, at(above, column) + 1, at(current, column - 1) + 1));
    }
    above = current;
  }
  return at(above, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
