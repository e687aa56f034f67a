import { type Summary, summarise } from "./statistics.ts";

export type Unit = "ms" | "%" | "MB" | "×" | "requests" | "processes";

/** What a number should be. `why` says where a limit that is not a round number comes from. */
export interface Target {
  readonly of: "median" | "p99" | "value";
  readonly bound: "≤" | "<";
  readonly limit: number;
  readonly why?: string;
}

export interface Measurement {
  readonly what: string;
  /** A floor is what the same thing costs without us. */
  readonly kind: "floor" | "measured";
  readonly unit: Unit;
  readonly summary: Summary;
  readonly targets: readonly (Target & { readonly isMet: boolean })[];
  readonly note?: string;
}

export interface Section {
  readonly name: string;
  readonly title: string;
  /** What exactly is measured, between which two moments. */
  readonly how: string;
  readonly measurements: readonly Measurement[];
}

export interface MeasurementOptions {
  readonly unit?: Unit;
  readonly targets?: readonly Target[];
  readonly note?: string;
}

export function measured(what: string, samples: readonly number[], options: MeasurementOptions = {}): Measurement {
  return describe({ what, kind: "measured", samples }, options);
}

export function floor(what: string, samples: readonly number[], options: MeasurementOptions = {}): Measurement {
  return describe({ what, kind: "floor", samples }, options);
}

interface Described {
  readonly what: string;
  readonly kind: Measurement["kind"];
  readonly samples: readonly number[];
}

function describe(
  { what, kind, samples }: Described,
  { unit = "ms", targets = [], note }: MeasurementOptions,
): Measurement {
  const summary = summarise(samples);
  return {
    what,
    kind,
    unit,
    summary,
    targets: targets.map((target) => ({ ...target, isMet: isMet(target, summary) })),
    ...(note !== undefined && { note }),
  };
}

function isMet({ of, bound, limit }: Target, summary: Summary): boolean {
  const value = of === "p99" ? summary.p99 : summary.median;
  return bound === "≤" ? value <= limit : value < limit;
}
