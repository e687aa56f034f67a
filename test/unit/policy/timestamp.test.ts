import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatTimestamp, parseTimestamp } from "../../../lib/policy/timestamp.ts";

describe("parseTimestamp", () => {
  test.each([
    ["1970-01-01T00:00:00Z", 0],
    ["1970-01-01T00:00:00.001Z", 1],
    ["1970-01-01T00:00:00.0019Z", 1],
    ["1970-01-01T00:00:00.5z", 500],
    ["1970-01-01t01:00:00+01:00", 0],
    ["1969-12-31T19:00:00-05:00", 0],
    ["1970-01-01T05:30:00+05:30", 0],
    ["2024-02-29T00:00:00Z", 1_709_164_800_000],
    ["0001-01-01T00:00:00Z", -62_135_596_800_000],
  ])("reads %s as %s ms", (text, epochMs) => {
    expect(parseTimestamp(text)).toBe(epochMs);
  });

  test.each([
    "2026-02-30T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-12-31T23:59:60Z",
  ])("refuses %s, which no clock shows", (text) => {
    expect(() => parseTimestamp(text)).toThrow(/is not a real date and time, expected one such as/);
  });

  test.each([
    "2026-01-01T00:00:00",
    "2026-01-01",
    "2026-01-01T00:00Z",
    "2026-01-01 00:00:00Z",
    "2026-01-01T00:00:00+1:00",
    "2026-01-01T00:00:00+24:00",
    "2026-01-01T00:00:00.Z",
    "tomorrow",
    "1767225600",
    "",
    "2026-01-01T00:00:00Z\n",
  ])("refuses %j, which is not RFC 3339 with an offset", (text) => {
    expect(() => parseTimestamp(text)).toThrow(/is not RFC 3339/);
  });

  test("refuses a year that UTC cannot write in four digits", () => {
    expect(() => parseTimestamp("9999-12-31T23:59:59-01:00")).toThrow(/out of range/);
    expect(() => parseTimestamp("0000-01-01T00:00:00+01:00")).toThrow(/out of range/);
  });

  test("reads what formatTimestamp writes", () => {
    const min = new Date("0000-01-01T00:00:00Z");
    const max = new Date("9999-12-31T23:59:59.999Z");
    fc.assert(
      fc.property(fc.date({ min, max, noInvalidDate: true }), (date) => {
        expect(parseTimestamp(formatTimestamp(date.getTime()))).toBe(date.getTime());
      }),
    );
  });
});
