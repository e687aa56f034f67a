/** Wall clocks jump, so what has expired is looked up every second, not only when it should have. */
const TICK_MS = 1000;

/** Milliseconds until the next look: at `expiry`, where that is sooner. */
export function untilNextTick(expiry: number | undefined, nowMs: number): number {
  return expiry === undefined ? TICK_MS : Math.max(1, Math.min(TICK_MS, expiry - nowMs));
}
