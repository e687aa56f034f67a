const UNITS = [
  { unit: "d", unitMs: 86_400_000 },
  { unit: "h", unitMs: 3_600_000 },
  { unit: "m", unitMs: 60_000 },
  { unit: "s", unitMs: 1000 },
] as const;

/** `37d 11h`, `12s`: the two largest units, cut off below. */
export function describeDuration(ms: number): string {
  const first = UNITS.findIndex(({ unitMs }) => ms >= unitMs);
  if (first === -1) return "0s";
  let rest = ms;
  return UNITS.slice(first, first + 2)
    .map(({ unit, unitMs }) => {
      const count = Math.floor(rest / unitMs);
      rest -= count * unitMs;
      return { count, unit };
    })
    .filter(({ count }) => count > 0)
    .map(({ count, unit }) => `${count}${unit}`)
    .join(" ");
}
