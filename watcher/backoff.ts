const FIRST_MS = 250;

/** How long to wait at most, whatever the number of failures: unless said otherwise. */
export const LONGEST_BACKOFF_MS = 30_000;

/**
 * Milliseconds to wait after `failures` failures in a row (1 or more). Full jitter, as every node of a cluster loses
 * Consul at the same moment and would come back at the same moment: anything from 0 to a limit that doubles from 250 ms
 * up to `longestMs`.
 */
export function backoffMs(failures: number, options: { random: () => number; longestMs?: number }): number {
  const { random, longestMs = LONGEST_BACKOFF_MS } = options;
  const limitMs = Math.min(FIRST_MS * 2 ** Math.max(0, failures - 1), longestMs);
  return Math.floor(random() * limitMs);
}
