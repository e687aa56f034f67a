import { expect, test } from "vitest";
import { createRequestLimit, unchangedIntervalMs } from "../../../watcher/request-limit.ts";
import { createFakeClock } from "../../fakes/clock.ts";

/** Starts `count` requests at once; says how many have been let through so far. */
function start(count: number): { passed: () => number; clock: ReturnType<typeof createFakeClock>; end: () => void } {
  const clock = createFakeClock();
  const limit = createRequestLimit({ clock });
  const abort = new AbortController();
  let passed = 0;
  for (let request = 0; request < count; request += 1) {
    limit.take(abort.signal).then(
      () => (passed += 1),
      () => undefined,
    );
  }
  return { passed: () => passed, clock, end: () => abort.abort() };
}

test("40 requests pass at once, and then 20 a second", async () => {
  const { passed, clock, end } = start(200);

  await clock.settle();
  expect(passed()).toBe(40);
  await clock.advance(1000);
  expect(passed()).toBe(60);
  await clock.advance(3000);
  expect(passed()).toBe(120);
  end();
});

test("after a quiet while the burst is there again, and no larger", async () => {
  const clock = createFakeClock();
  const limit = createRequestLimit({ clock });
  const { signal } = new AbortController();
  for (let request = 0; request < 40; request += 1) {
    await limit.take(signal);
  }
  await clock.advance(3_600_000);

  let passed = 0;
  for (let request = 0; request < 100; request += 1) {
    void limit.take(signal).then(() => (passed += 1));
  }
  await clock.settle();

  expect(passed).toBe(40);
});

test("a request that waits ends when it is aborted", async () => {
  const clock = createFakeClock();
  const limit = createRequestLimit({ burst: 1, clock });
  const abort = new AbortController();
  await limit.take(abort.signal);
  const waiting = limit.take(abort.signal);

  abort.abort(new Error("no longer needed"));

  await expect(waiting).rejects.toThrow("no longer needed");
});

test("a clock that is set back lets nothing through early and blocks nothing for long", async () => {
  let nowMs = 1_000_000;
  const slept: number[] = [];
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async (ms: number) => void slept.push(ms) };
  const limit = createRequestLimit({ burst: 1, perSecond: 20, clock });
  const { signal } = new AbortController();
  await limit.take(signal);

  nowMs = 0;
  await limit.take(signal);

  expect(slept).toEqual([50]);
});

test("answers with nothing new slow queries down to one a second at most", () => {
  expect([0, 1, 2, 3, 4, 5, 6, 2000].map(unchangedIntervalMs)).toEqual([0, 100, 200, 400, 800, 1000, 1000, 1000]);
});
