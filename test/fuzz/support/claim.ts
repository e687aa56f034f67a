import { isDeepStrictEqual } from "node:util";

/** As `expect`, at a hundredth of its cost: most inputs keep every promise. `facts` are shown where one does not. */
export function claim(isKept: boolean, promise: string, facts?: unknown): asserts isKept {
  if (!isKept) throw new Error(facts === undefined ? promise : `${promise}: ${show(facts)}`);
}

/** That two values are alike, however deep. */
export function claimSame(found: unknown, expected: unknown, promise: string): void {
  claim(isDeepStrictEqual(found, expected), promise, { found, expected });
}

function show(facts: unknown): string {
  const text = JSON.stringify(facts, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
}
