import * as fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs } from "../../../watcher/backoff.ts";

const almostOne = 1 - Number.EPSILON;

test("the limit of the wait doubles from 250 ms up to 30 s", () => {
  const limits = [1, 2, 3, 4, 7, 8, 9, 1000].map((failures) => backoffMs(failures, { random: () => almostOne }) + 1);

  expect(limits).toEqual([250, 500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
});

test("a lower limit may be given", () => {
  expect(backoffMs(50, { random: () => almostOne, longestMs: 5000 })).toBe(4999);
});

test("nodes that lost Consul together come back spread from at once to the limit", () => {
  expect(backoffMs(9, { random: () => 0 })).toBe(0);
  expect(backoffMs(9, { random: () => 0.5 })).toBe(15_000);
});

test("the wait is a whole number of milliseconds and never above the limit, however many failures", () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), random, (failures, value) => {
      const waitMs = backoffMs(failures, { random: () => value });
      expect(Number.isInteger(waitMs) && waitMs >= 0 && waitMs < 30_000).toBe(true);
    }),
  );
});
