import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseDuration } from "../../../lib/policy/duration.ts";

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["1h30m", 5_400_000],
  ["7d", 604_800_000],
  ["1d2h3m4s", 93_784_000],
  ["3650d", 315_360_000_000],
])("%s is a duration", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each([
  ["", "is no duration"],
  ["h", "is no duration"],
  ["-1h", "is no duration"],
  ["1.5h", "is no duration"],
  ["1 h", "is no duration"],
  ["1h ", "is no duration"],
  ["90", 'has no unit after "90"'],
  ["1h30", 'has no unit after "30"'],
  ["5w", 'has the unit "w"'],
  ["5H", 'has the unit "H"'],
  ["30m1h", "does not go from larger units to smaller ones"],
  ["1h1h", "does not go from larger units to smaller ones"],
  ["0s", "is no time at all"],
  ["3651d", "is out of range"],
  [`${"9".repeat(400)}d`, "is out of range"],
])("%j is refused with what is wrong and an example", (text, reason) => {
  expect(() => parseDuration(text)).toThrow(reason);
  expect(() => parseDuration(text)).toThrow("expected one such as 90s, 15m, 1h30m or 7d");
});

test("no text makes it crash or answer something that is no time", () => {
  const outcomeOf = (text: string): unknown => {
    try {
      return parseDuration(text);
    } catch (error) {
      return String(error);
    }
  };
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9smhdSx ]{0,12}$/)), (text) => {
      const outcome = outcomeOf(text);
      const isTime = typeof outcome === "number" && Number.isSafeInteger(outcome) && outcome > 0;
      expect(isTime || String(outcome).startsWith("Error: Cannot parse duration: ")).toBe(true);
    }),
  );
});
