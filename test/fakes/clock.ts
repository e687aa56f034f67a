import type { Clock } from "../../lib/host/clock.ts";

/** Time that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves time on, waking sleepers at their moments and letting all that follows from it happen. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock forward, or back; no time goes by. */
  setWallClock(nowMs: number): void;
  /** Lets all happen that needs no time. */
  settle(): Promise<void>;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export function createFakeClock(startMs = 1_000_000): FakeClock {
  let nowMs = startMs;
  let wallOffsetMs = 0;
  let sleepers: readonly Sleeper[] = [];

  return {
    nowMs: () => nowMs + wallOffsetMs,
    monotonicMs: () => nowMs,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(toError(signal.reason));
          return;
        }
        const sleeper = { atMs: nowMs + ms, wake: resolve };
        sleepers = [...sleepers, sleeper];
        signal.addEventListener("abort", () => {
          sleepers = sleepers.filter((other) => other !== sleeper);
          reject(toError(signal.reason));
        });
      });
    },
    setWallClock(wallMs) {
      wallOffsetMs = wallMs - nowMs;
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let next = earliest(untilMs); next !== undefined; next = earliest(untilMs)) {
        const due = next;
        sleepers = sleepers.filter((sleeper) => sleeper !== due);
        nowMs = Math.max(nowMs, due.atMs);
        due.wake();
        await settle();
      }
      nowMs = untilMs;
    },
    settle,
  };

  function earliest(untilMs: number): Sleeper | undefined {
    return sleepers.filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)[0];
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
