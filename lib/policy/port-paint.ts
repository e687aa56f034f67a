import type { PortRange } from "./ports.ts";

/** Ports that one rule decides; undefined: none does. */
export interface PaintedRange<T> extends PortRange {
  readonly by: T | undefined;
}

/** Who decides each port of `ranges` (sorted, disjoint), where the first that matches does. No ports mean all. */
export function paintPorts<T>(
  ranges: readonly PortRange[],
  inOrder: readonly T[],
  portsOf: (item: T) => readonly PortRange[],
): readonly PaintedRange<T>[] {
  const left = [...ranges];
  const painted: PaintedRange<T>[] = [];
  for (const item of inOrder) {
    if (left.length === 0) break;
    const ports = portsOf(item);
    if (ports.length === 0) painted.push(...left.splice(0).map((range) => ({ ...range, by: item })));
    for (const range of ports) painted.push(...take(left, range).map((taken) => ({ ...taken, by: item })));
  }
  painted.push(...left.map((range) => ({ ...range, by: undefined })));
  return painted.toSorted((a, b) => a.first - b.first);
}

/** Who decided each port and who will, in pieces. Both lists paint the same ports. */
export function overlay<T>(
  before: readonly PaintedRange<T>[],
  after: readonly PaintedRange<T>[],
): readonly Overlaid<T>[] {
  const pieces: Overlaid<T>[] = [];
  let [i, j] = [0, 0];
  for (let [a, b] = [before[0], after[0]]; a !== undefined && b !== undefined; [a, b] = [before[i], after[j]]) {
    const last = Math.min(a.last, b.last);
    pieces.push({ first: Math.max(a.first, b.first), last, before: a.by, after: b.by });
    if (a.last === last) i += 1;
    if (b.last === last) j += 1;
  }
  return pieces;
}

export interface Overlaid<T> extends PortRange {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** Takes a range out of `left`, and says what was there of it. */
function take(left: PortRange[], { first, last }: PortRange): readonly PortRange[] {
  let [low, high] = [0, left.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((left[middle]?.last ?? 0) < first) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < left.length && (left[end]?.first ?? 0) <= last) end += 1;
  const hit = left.slice(low, end);
  const rest = hit.flatMap((range) => [
    ...(range.first < first ? [{ first: range.first, last: first - 1 }] : []),
    ...(range.last > last ? [{ first: last + 1, last: range.last }] : []),
  ]);
  left.splice(low, end - low, ...rest);
  return hit.map((range) => ({ first: Math.max(range.first, first), last: Math.min(range.last, last) }));
}
