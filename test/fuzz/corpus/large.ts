import type { Finding } from "../support/campaign.ts";
import type { LargeText } from "../support/large-text.ts";

const bytes = 512 * 1024;

export const LARGE_CORPUS: readonly Finding<LargeText>[] = [
  {
    was: "a job's thousand ancestors, for each of its allocations",
    input: { part: "a", frame: "a job with many children", isNumbered: false, bytes },
  },
];
