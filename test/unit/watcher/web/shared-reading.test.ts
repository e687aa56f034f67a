import { expect, test } from "vitest";
import { createSharedReading } from "../../../../watcher/web/shared-reading.ts";
import { createFakeClock } from "../../../fakes/clock.ts";

const signal = new AbortController().signal;

test("who asks at the same time, or soon after, gets the same reading", async () => {
  const clock = createFakeClock();
  let reads = 0;
  const first = Promise.withResolvers<number>();
  const reading = createSharedReading(() => ((reads += 1), reads === 1 ? first.promise : Promise.resolve(reads)), {
    freshMs: 1000,
    clock,
    signal,
  });
  const asked = [reading.get(), reading.get()];
  await clock.advance(60_000);
  asked.push(reading.get());
  first.resolve(1);
  expect(await Promise.all(asked)).toEqual([1, 1, 1]);
  expect(reads).toBe(1);
});

test("no more than a tenth of the time goes into reading", async () => {
  const clock = createFakeClock();
  let reads = 0;
  const slow = async (): Promise<number> => {
    reads += 1;
    await clock.sleep(500, signal);
    return reads;
  };
  const reading = createSharedReading(slow, { freshMs: 1000, clock, signal });
  for (let elapsedMs = 0; elapsedMs < 50_000; elapsedMs += 100) {
    void reading.get();
    await clock.advance(100);
  }
  expect(reads).toBeGreaterThanOrEqual(8);
  expect(reads).toBeLessThanOrEqual(10);
});

test("what nobody has asked for in a minute is let go of", async () => {
  const clock = createFakeClock();
  let idle = 0;
  const reading = createSharedReading(() => Promise.resolve({}), {
    freshMs: 1_000_000,
    clock,
    signal,
    onIdle: () => (idle += 1),
  });
  const first = await reading.get();
  await clock.advance(50_000);
  expect(idle).toBe(0);
  expect(await reading.get()).toBe(first);
  await clock.advance(20_000);
  expect(idle).toBe(1);
  expect(await reading.get()).not.toBe(first);
});
