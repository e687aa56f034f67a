import type { Clock } from "../../lib/host/clock.ts";

/** Something that takes its time to read and that many ask for: one reading for all who ask within a while. */
export interface SharedReading<T> {
  readonly get: () => Promise<T>;
}

export interface SharedReadingOptions {
  /** How old a reading may be at least; it may be ten times as old as it took, so that no more than that goes into it. */
  readonly freshMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called when nobody has asked for a minute; the reading is let go of then too. */
  readonly onIdle?: () => void;
}

const IDLE_MS = 60_000;
const SHARE = 10;

/** `read` must not reject. */
export function createSharedReading<T>(
  read: () => Promise<T>,
  { freshMs, clock, signal, onIdle = () => {} }: SharedReadingOptions,
): SharedReading<T> {
  let last: { readonly value: Promise<T>; freshUntilMs: number } | undefined;
  return {
    get() {
      if (last && clock.monotonicMs() < last.freshUntilMs) return last.value;
      const startedMs = clock.monotonicMs();
      const reading = { value: read(), freshUntilMs: Number.POSITIVE_INFINITY };
      last = reading;
      void reading.value.then(() => {
        const doneMs = clock.monotonicMs();
        reading.freshUntilMs = doneMs + Math.max(freshMs, SHARE * (doneMs - startedMs));
        return forget(reading);
      });
      return reading.value;
    },
  };

  async function forget(reading: typeof last): Promise<void> {
    try {
      await clock.sleep(IDLE_MS, signal);
    } catch {
      return;
    }
    if (last !== reading) return;
    last = undefined;
    onIdle();
  }
}
