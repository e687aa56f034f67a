/** How one ADD or DEL went, for the watcher's metrics. */
export interface PluginRun {
  readonly verb: RecordedVerb;
  /** From the executable's start to its answer. */
  readonly seconds: number;
  readonly isFailed: boolean;
}

export type RecordedVerb = "ADD" | "DEL";

export interface ParsedPluginRuns {
  readonly runs: readonly PluginRun[];
  /** Lines that are none of ours, or half of one. */
  readonly damaged: number;
}

/**
 * A line of its own whatever stands before it: a full disk may have cut another's short. The verb comes last, so that
 * what is cut short is never taken for a shorter time.
 */
export function formatPluginRun({ verb, seconds, isFailed }: PluginRun): string {
  return `\n${seconds.toFixed(4)} ${isFailed ? "failed" : "done"} ${verb}\n`;
}

/** Never throws: a line that cannot be read is counted, and the others stand. */
export function parsePluginRuns(text: string): ParsedPluginRuns {
  const lines = text.split("\n").filter((line) => line !== "");
  const runs = lines.flatMap(parseLine);
  return { runs, damaged: lines.length - runs.length };
}

function parseLine(line: string): readonly PluginRun[] {
  const [, seconds = "", outcome, verb] = /^(\d{1,6}\.\d{4}) (done|failed) (ADD|DEL)$/.exec(line) ?? [];
  if (verb !== "ADD" && verb !== "DEL") return [];
  return [{ verb, seconds: Number(seconds), isFailed: outcome === "failed" }];
}
