import { floor, measured, type Section } from "./section.ts";
import type { Bench } from "./stage.ts";
import { type TimedRun, timeRun } from "./timed-run.ts";

/** How long the executable takes to start, with nothing to do. */
export async function measureStart({ sizes, executables }: Bench): Promise<Section> {
  const runs = [
    { what: "bare executable, fs.writeSync", describe: floor, run: nothing(executables.bareWriteSync) },
    { what: "bare executable, console", describe: floor, run: nothing(executables.bareConsole) },
    { what: "outbound, fingerprint", describe: measured, run: nothing(executables.outbound) },
    { what: "outbound, VERSION: all that ADD loads", describe: measured, run: version(executables.outbound) },
  ].map((each) => ({ ...each, samples: Array.of<number>() }));
  // The first reads the files from disk.
  for (const { run } of runs) await timeRun(run);
  for (let round = 0; round < sizes.starts; round++) {
    for (const { run, samples } of runs) samples.push(await timeRun(run));
  }
  return {
    name: "start",
    title: "Start of the executable",
    how:
      "From process start to exit, without arguments and with an empty environment, as Nomad's fingerprint runs it. The " +
      "floors are one-line programs built by the same script with the same flags that write the same to the same place.",
    measurements: runs.map(({ what, describe, samples }) => describe(what, samples)),
  };
}

function nothing(executable: string): TimedRun {
  return { argv: [executable], env: {} };
}

function version(executable: string): TimedRun {
  return { argv: [executable], env: { CNI_COMMAND: "VERSION" }, input: '{"cniVersion":"1.0.0"}' };
}
