import { setTimeout as delay } from "node:timers/promises";

/** Time, as far as we depend on it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Milliseconds from some moment on, whatever is done to the wall clock: for durations. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      // The timer rejects with an AbortError of its own, which hides why.
      signal.throwIfAborted();
      throw error;
    }
  },
};
