import { show } from "./show.ts";

const UNITS = [
  { unit: "d", unitMs: 86_400_000 },
  { unit: "h", unitMs: 3_600_000 },
  { unit: "m", unitMs: 60_000 },
  { unit: "s", unitMs: 1000 },
] as const;

/** Ten years: more is no expiry. */
const LONGEST_DAYS = 3650;

/**
 * Parses `90s`, `15m`, `1h30m`, `7d` into milliseconds: whole numbers, each with its unit, the larger units first.
 *
 * @throws Error for anything else, for nothing at all and for more than ten years
 */
export function parseDuration(text: string): number {
  const parts = Array.from(text.matchAll(/(\d+)([a-z]*)/gi), ([, count = "", unit = ""]) => ({ count, unit }));
  if (text === "" || parts.map(({ count, unit }) => count + unit).join("") !== text) {
    throw refusal(`${show(text)} is no duration`);
  }
  let sumMs = 0;
  let previous = -1;
  for (const { count, unit } of parts) {
    const position = UNITS.findIndex((each) => each.unit === unit);
    const unitMs = UNITS[position]?.unitMs;
    if (unit === "") throw refusal(`${show(text)} has no unit after ${show(count)}`);
    if (unitMs === undefined) throw refusal(`${show(text)} has the unit ${show(unit)}, which is none of d, h, m, s`);
    if (position <= previous) throw refusal(`${show(text)} does not go from larger units to smaller ones`);
    previous = position;
    sumMs += Number(count) * unitMs;
  }
  if (sumMs === 0) throw refusal(`${show(text)} is no time at all`);
  if (sumMs > LONGEST_DAYS * 86_400_000) throw refusal(`${show(text)} is out of range, at most ${LONGEST_DAYS}d`);
  return sumMs;
}

function refusal(found: string): Error {
  return new Error(`Cannot parse duration: ${found}, expected one such as 90s, 15m, 1h30m or 7d`);
}
