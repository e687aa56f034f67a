import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatPorts, parsePorts } from "../../../lib/policy/ports.ts";

describe("parsePorts", () => {
  test.each([
    [443, "443"],
    [0, "0"],
    [-0, "0"],
    [65_535, "65535"],
    ["443", "443"],
    ["80,443", "80,443"],
    ["443,80", "80,443"],
    ["8000-8100", "8000-8100"],
    ["8000:8100", "8000-8100"],
    ["443, 8000:8100 ,80", "80,443,8000-8100"],
    [" 8000 - 8100 ", "8000-8100"],
    ["80,80", "80"],
    ["80,81", "80-81"],
    ["80-90,85-100", "80-100"],
    ["80-100,85-90", "80-100"],
    ["80-90,91-100,102", "80-100,102"],
    ["5-5", "5"],
    ["0-65535", "0-65535"],
  ])("reads %j as %s", (value, canonical) => {
    expect(formatPorts(parsePorts(value))).toBe(canonical);
  });

  test("gives ranges with both ends", () => {
    expect(parsePorts("80,8000-8100")).toEqual([
      { first: 80, last: 80 },
      { first: 8000, last: 8100 },
    ]);
    expect(Object.is(parsePorts(-0)[0]?.first, 0)).toBe(true);
  });

  test.each([
    [70_000, "Cannot parse port: 70000 is out of range, expected 0-65535"],
    [-1, "Cannot parse port: -1 is out of range, expected 0-65535"],
    ["65536", "Cannot parse port: 65536 is out of range, expected 0-65535"],
    ["1000000", "is out of range"],
    [80.5, "80.5 is not a whole number"],
    [Number.NaN, "NaN is not a whole number"],
    ["", '"" is empty'],
    ["  ", "is empty"],
    ["80,", "has an empty part"],
    [",80", "has an empty part"],
    ["80,,443", "has an empty part"],
    ["100-90", 'Cannot parse port: "100-90" is reversed, expected 90-100'],
    ["-90", '"-90" is not a range'],
    ["90-", '"90-" is not a range'],
    ["1-2-3", '"1-2-3" is not a range'],
    ["http", '"http" is not a number'],
    ["0x50", '"0x50" is not a number'],
    ["8e1", '"8e1" is not a number'],
    ["+80", '"+80" is not a number'],
    ["80 443", '"80 443" is not a number'],
    ["٨٠", "is not a number"],
    ["080", '"080" has a leading zero'],
    ["!80", '"!80" is not a number'],
  ])("refuses %j and says why", (value, reason) => {
    expect(() => parsePorts(value)).toThrow(reason);
    expect(() => parsePorts(value)).toThrow(/^Cannot parse port: .*, expected /);
  });

  test("holds exactly the ports that were written, in sorted ranges that do not touch", () => {
    const port = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(fc.array(fc.tuple(port, port), { minLength: 1, maxLength: 8 }), (pairs) => {
        const ordered = pairs.map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
        const ranges = parsePorts(ordered.map(({ first, last }) => `${first}-${last}`).join(","));
        for (let each = 0; each <= 41; each += 1) {
          const isIn = ({ first, last }: { first: number; last: number }) => first <= each && each <= last;
          expect(ranges.some(isIn)).toBe(ordered.some(isIn));
        }
        for (const [index, range] of ranges.slice(1).entries()) {
          expect(range.first).toBeGreaterThan((ranges[index]?.last ?? 0) + 1);
        }
        expect(parsePorts(formatPorts(ranges))).toEqual(ranges);
      }),
    );
  });
});
