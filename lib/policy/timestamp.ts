import { show } from "./show.ts";

const rfc3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/**
 * Parses RFC 3339 with `Z` or an offset into milliseconds since the epoch; finer fractions are cut off.
 *
 * @throws Error for anything else: local times, dates that no calendar has, leap seconds, years before 0 or after 9999
 */
export function parseTimestamp(text: string): number {
  const [, date, time, fraction = "", sign, hours = "0", minutes = "0"] = rfc3339.exec(text) ?? [];
  if (date === undefined || time === undefined) throw refusal(`${show(text)} is not RFC 3339 with an offset or Z`);
  const canonical = `${date}T${time}.${fraction.slice(0, 3).padEnd(3, "0")}Z`;
  const local = Date.parse(canonical);
  // Engines roll 30 February over to March, so what they read is printed and compared.
  if (Number.isNaN(local) || new Date(local).toISOString() !== canonical) {
    throw refusal(`${show(text)} is not a real date and time`);
  }
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000;
  const utc = sign === "-" ? local + offsetMs : local - offsetMs;
  if (!/^\d{4}-/.test(new Date(utc).toISOString())) throw refusal(`${show(text)} is out of range in UTC`);
  return utc;
}

/** `2026-11-24T06:19:00.000Z`. */
export function formatTimestamp(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function refusal(found: string): Error {
  return new Error(`Cannot parse time: ${found}, expected one such as 2026-12-31T18:00:00Z`);
}
