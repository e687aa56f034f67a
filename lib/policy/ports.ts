import { show } from "./show.ts";

/** Both ends inclusive, 0-65535. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const highest = 65_535;

/**
 * Parses `443`, `"443"`, `"80,443"`, `"8000-8100"`, `"8000:8100"` and mixes of them into sorted ranges that
 * neither overlap nor touch. At least one.
 *
 * @throws Error that shows the part that is wrong
 */
export function parsePorts(value: string | number): readonly PortRange[] {
  if (typeof value === "number") return [single(parseNumber(value))];
  return mergeRanges(value.split(",").map((part) => parseRange(part.trim(), value)));
}

/** `80,443,8000-8100`. */
export function formatPorts(ranges: readonly PortRange[]): string {
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

function parseRange(part: string, whole: string): PortRange {
  if (part === "") throw refusal(whole.trim() === "" ? `${show(whole)} is empty` : `${show(whole)} has an empty part`);
  const ends = part.split(/[-:]/).map((end) => end.trim());
  const [firstText = "", lastText] = ends;
  if (ends.length > 2 || ends.includes("")) throw refusal(`${show(part)} is not a range`);
  const first = parsePort(firstText);
  if (lastText === undefined) return single(first);
  const last = parsePort(lastText);
  if (last < first) throw new Error(`Cannot parse port: ${show(part)} is reversed, expected ${last}-${first}`);
  return { first, last };
}

function parsePort(text: string): number {
  if (!/^\d+$/.test(text)) throw refusal(`${show(text)} is not a number`);
  if (text.length > 1 && text.startsWith("0")) throw refusal(`${show(text)} has a leading zero`);
  if (text.length > 5) throw outOfRange(show(text));
  return parseNumber(Number(text));
}

function parseNumber(port: number): number {
  if (!Number.isInteger(port)) throw refusal(`${port} is not a whole number`);
  if (port < 0 || port > highest) throw outOfRange(`${port}`);
  // JSON has -0 too.
  return Math.abs(port);
}

function single(port: number): PortRange {
  return { first: port, last: port };
}

/** Ranges that touch or overlap become one. Sorted. */
export function mergeRanges(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before === undefined || range.first > before.last + 1) merged.push(range);
    else merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return merged;
}

function outOfRange(found: string): Error {
  return new Error(`Cannot parse port: ${found} is out of range, expected 0-${highest}`);
}

function refusal(found: string): Error {
  return new Error(`Cannot parse port: ${found}, expected ports or ranges such as 443 or "80,8000-8100"`);
}
