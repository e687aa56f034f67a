import { describe, expect, it } from "vitest";
import { summarise } from "../../bench/statistics.ts";

const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1).toReversed();

describe("summarise", () => {
  it("takes the middle sample as the median, and the mean of both where there is none in the middle", () => {
    expect(summarise([30, 10, 20]).median).toBe(20);
    expect(summarise([40, 10, 30, 20]).median).toBe(25);
  });

  it("takes as p99 the smallest sample that 99 of 100 are not above", () => {
    expect(summarise(upTo(100)).p99).toBe(99);
    expect(summarise(upTo(200)).p99).toBe(198);
    expect(summarise(upTo(1000)).p99).toBe(990);
  });

  it("takes the largest sample as p99 where there are fewer than 100", () => {
    expect(summarise(upTo(99)).p99).toBe(99);
    expect(summarise([5])).toEqual({ n: 1, median: 5, p99: 5, min: 5, max: 5 });
  });

  it("refuses to say anything about nothing, or about what is no number", () => {
    expect(() => summarise([])).toThrow("there are no samples");
    expect(() => summarise([1, Number.NaN])).toThrow("found");
  });
});
