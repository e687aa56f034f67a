import { describe, expect, it } from "vitest";
import { measured } from "../../bench/section.ts";

describe("measured", () => {
  it("says of each target whether its own number reaches it", () => {
    const { targets } = measured("a change", [10, 15, 61], {
      targets: [
        { of: "median", bound: "≤", limit: 15 },
        { of: "p99", bound: "≤", limit: 60 },
      ],
    });
    expect(targets.map(({ isMet }) => isMet)).toEqual([true, false]);
  });

  it("takes a limit that is reached as met only where it says at most", () => {
    const isMet = (bound: "≤" | "<") =>
      measured("memory", [120], { unit: "MB", targets: [{ of: "value", bound, limit: 120 }] }).targets[0]?.isMet;
    expect(isMet("≤")).toBe(true);
    expect(isMet("<")).toBe(false);
  });
});
