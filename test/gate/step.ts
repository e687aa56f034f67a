import { execa } from "execa";

/** One thing that the gate checks, by a command that exits 0 when all is well. */
export interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

export interface StepOutcome {
  readonly name: string;
  readonly isPassed: boolean;
  readonly seconds: number;
  /** stdout and stderr, as they came. */
  readonly output: string;
}

export const root = new URL("../..", import.meta.url).pathname;

/** Runs a step in the repository's root and never throws: a command that cannot start has not passed. */
export async function runStep(
  { name, command: [file, ...args] }: Step,
  options: { readonly cwd?: string } = {},
): Promise<StepOutcome> {
  const result = await execa(file, args, {
    cwd: options.cwd ?? root,
    preferLocal: true,
    localDir: root,
    reject: false,
    all: true,
    stdin: "ignore",
    timeout: 600_000,
  });
  const output = result.failed && result.exitCode === undefined ? `${result.all}\n${result.shortMessage}` : result.all;
  return { name, isPassed: !result.failed, seconds: result.durationMs / 1000, output };
}
