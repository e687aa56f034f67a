import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isBackwards, nextIndex } from "../../../watcher/query-index.ts";

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

test("an index that grew is blocked on", () => {
  expect(nextIndex(0n, 7n)).toBe(7n);
  expect(nextIndex(7n, 8n)).toBe(8n);
});

test("an index beyond what a double can hold keeps its last digit", () => {
  expect(nextIndex(2n ** 63n, 2n ** 63n + 1n)).toBe(9223372036854775809n);
});

test("the same index is blocked on again, as a wait that ended says nothing else", () => {
  expect(nextIndex(7n, 7n)).toBe(7n);
});

test("an index that went backwards is read anew without blocking", () => {
  expect(nextIndex(500n, 20n)).toBe(0n);
  expect(isBackwards(500n, 20n)).toBe(true);
});

test("a missing index and index 0 become 1, which blocks", () => {
  expect(nextIndex(7n, undefined)).toBe(1n);
  expect(nextIndex(7n, 0n)).toBe(1n);
  expect(isBackwards(7n, 0n)).toBe(false);
});

test("two queries in a row never both fail to block", () => {
  fc.assert(
    fc.property(uint64, fc.option(uint64, { nil: undefined }), (previous, received) => {
      const next = nextIndex(previous, received);
      expect(next > 0n || nextIndex(next, received) > 0n).toBe(true);
    }),
  );
});
