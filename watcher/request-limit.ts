import type { Clock } from "../lib/host/clock.ts";

/** Lets requests through at a bounded rate. */
export interface RequestLimit {
  /** Resolves when the next request may be sent, in the order of the calls. Rejects when `signal` aborts. */
  take(signal: AbortSignal): Promise<void>;
}

/** What a token bucket holds. Less than 0 when tokens have been promised to those who wait. */
interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/**
 * A token bucket for all queries of one watcher, so that no mistake of ours or of a server's makes the node hammer
 * Consul. `burst` requests at once, `perSecond` on average.
 */
export function createRequestLimit(options: { burst?: number; perSecond?: number; clock: Clock }): RequestLimit {
  const { burst = 40, perSecond = 20, clock } = options;
  let bucket: Bucket = { tokens: burst, atMs: clock.nowMs() };

  return {
    async take(signal) {
      signal.throwIfAborted();
      const taken = takeToken(bucket, { burst, perSecond, nowMs: clock.nowMs() });
      bucket = taken.bucket;
      if (taken.waitMs > 0) {
        await clock.sleep(taken.waitMs, signal);
      }
    },
  };
}

/**
 * How long a query that was answered with nothing new should take at least, from its start to the next one's:
 * `unchanged` is how many such answers there have been in a row. A query on an empty prefix is woken by writes to keys
 * that have nothing to do with it.
 */
export function unchangedIntervalMs(unchanged: number): number {
  return unchanged === 0 ? 0 : Math.min(50 * 2 ** unchanged, 1000);
}

function takeToken(
  bucket: Bucket,
  options: { burst: number; perSecond: number; nowMs: number },
): { bucket: Bucket; waitMs: number } {
  const { burst, perSecond, nowMs } = options;
  // A wall clock may be set back.
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  const tokens = Math.min(burst, bucket.tokens + (elapsedMs * perSecond) / 1000) - 1;
  return { bucket: { tokens, atMs: nowMs }, waitMs: tokens < 0 ? Math.ceil((-tokens * 1000) / perSecond) : 0 };
}
