import { runStep, type Step } from "./step.ts";
import { runSuite, type SuiteOutcome } from "./suite.ts";

const steps: readonly Step[] = [
  { name: "format", command: ["oxfmt", "--check"] },
  { name: "lint", command: ["oxlint", "--format=unix"] },
  { name: "types", command: ["tsc", "-p", "tsconfig.json"] },
  { name: "dead code", command: ["knip"] },
  { name: "refuses what is wrong", command: [process.execPath, "test/gate/refuses-wrong.ts"] },
];

export interface GateOutcome {
  readonly failedSteps: number;
  readonly unit: SuiteOutcome;
}

/** Runs every step, also after one has failed, with a line for each and the output of those that failed. */
export async function runGate(): Promise<GateOutcome> {
  const outputs: string[] = [];
  for (const step of steps) {
    const { name, isPassed, seconds, output } = await runStep(step);
    printLine({ name, isPassed, seconds });
    if (!isPassed) outputs.push(`--- ${name}\n${output.trimEnd()}\n`);
  }
  const unit = await runSuite("unit", { output: "keep" });
  printLine({ ...unit, name: "unit tests", isPassed: unit.failed === 0 });
  process.stdout.write(["", ...outputs].join("\n"));
  if (unit.failed > 0) process.stdout.write(`--- unit tests\n${unit.output.trimEnd()}\n${unit.problem ?? ""}\n`);
  return { failedSteps: outputs.length, unit };
}

function printLine(line: { readonly name: string; readonly isPassed: boolean; readonly seconds: number }): void {
  const time = `${line.seconds.toFixed(1)} s`.padStart(8);
  process.stdout.write(`${line.isPassed ? "ok    " : "FAILED"} ${line.name.padEnd(24)} ${time}\n`);
}
