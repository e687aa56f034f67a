import { expect } from "vitest";

/** Stands in an expected value for a string that contains, or matches, this. */
export function containing(text: string | RegExp): unknown {
  return typeof text === "string" ? expect.stringContaining(text) : expect.stringMatching(text);
}
