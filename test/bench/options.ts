import { parseArgs } from "node:util";

export const sectionNames = ["start", "plugin", "change", "global", "rest"] as const;

export type SectionName = (typeof sectionNames)[number];

export interface BenchOptions {
  readonly isQuick: boolean;
  readonly only: readonly SectionName[];
  /** Where results go; undefined: `bench/` for a full run, `.cache/bench/` for any other. */
  readonly out: string | undefined;
}

/** How much of each thing is measured. */
export interface Sizes {
  readonly starts: number;
  readonly pluginRounds: number;
  readonly pluginCases: readonly PluginCase[];
  readonly changeAttachments: number;
  readonly changes: number;
  readonly cliChanges: number;
  readonly consulFloors: number;
  readonly restoreFloors: number;
  readonly globalAttachments: readonly number[];
  readonly globalChanges: number;
  readonly restAttachments: number;
  readonly restSettleMs: number;
  /** Divides the time over which a watcher at rest is looked at. */
  readonly restDivisor: number;
}

export interface PluginCase {
  readonly rules: number;
  /** Other attachments on the node. */
  readonly others: number;
}

/** @throws Error for a flag or a section that is not known */
export function parseBenchOptions(words: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      out: { type: "string" },
    },
  });
  const asked = values.only.flatMap((names) => names.split(","));
  const unknown = asked.find((name) => !sectionNames.some((known) => known === name));
  if (unknown !== undefined) {
    throw new Error(`Cannot run section: found ${unknown}, expected one of ${sectionNames.join(", ")}`);
  }
  const only = sectionNames.filter((name) => asked.length === 0 || asked.includes(name));
  return { isQuick: values.quick, only, out: values.out };
}

export function sizesOf({ isQuick }: Pick<BenchOptions, "isQuick">): Sizes {
  return isQuick ? quick : full;
}

const full: Sizes = {
  starts: 60,
  pluginRounds: 40,
  pluginCases: [
    { rules: 10, others: 0 },
    { rules: 10, others: 1 },
    { rules: 100, others: 0 },
    { rules: 100, others: 1 },
    { rules: 10, others: 1000 },
  ],
  changeAttachments: 200,
  changes: 200,
  cliChanges: 20,
  consulFloors: 100,
  restoreFloors: 30,
  globalAttachments: [1, 100, 1000],
  globalChanges: 40,
  restAttachments: 1000,
  restSettleMs: 10_000,
  restDivisor: 1,
};

/** Whether everything works, not how fast it is. */
const quick: Sizes = {
  starts: 8,
  pluginRounds: 4,
  pluginCases: [
    { rules: 10, others: 0 },
    { rules: 10, others: 20 },
  ],
  changeAttachments: 20,
  changes: 8,
  cliChanges: 2,
  consulFloors: 10,
  restoreFloors: 4,
  globalAttachments: [1, 10, 30],
  globalChanges: 5,
  restAttachments: 30,
  restSettleMs: 2000,
  restDivisor: 8,
};
