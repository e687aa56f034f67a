export interface Summary {
  readonly n: number;
  readonly median: number;
  /** The smallest sample that 99 % of all are not above; the largest where there are fewer than 100. */
  readonly p99: number;
  readonly min: number;
  readonly max: number;
}

/** @throws Error where there is nothing to summarise, or a sample is no number */
export function summarise(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  if (sorted.length === 0) throw new Error("Cannot summarise: there are no samples");
  if (!sorted.every(Number.isFinite)) throw new Error(`Cannot summarise: found ${sorted.join(", ")}`);
  return {
    n: sorted.length,
    median: (rank(sorted, (sorted.length - 1) >> 1) + rank(sorted, sorted.length >> 1)) / 2,
    p99: rank(sorted, Math.ceil(sorted.length * 0.99) - 1),
    min: rank(sorted, 0),
    max: rank(sorted, sorted.length - 1),
  };
}

export function medianOf(samples: readonly number[]): number {
  return summarise(samples).median;
}

function rank(sorted: readonly number[], index: number): number {
  return sorted[index] ?? Number.NaN;
}
