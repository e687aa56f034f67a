import { floor, measured, type Section } from "./section.ts";
import type { Bench } from "./stage.ts";
import { timeRun } from "./timed-run.ts";

/** How long the executable takes to start, with nothing to do. */
export async function measureStart({ sizes, executables }: Bench): Promise<Section> {
  const { outbound, bareWriteSync, bareConsole } = executables;
  const samples = { outbound: [0], bareWriteSync: [0], bareConsole: [0] };
  for (const list of Object.values(samples)) list.length = 0;
  for (let round = -1; round < sizes.starts; round++) {
    const took = {
      bareWriteSync: await timeRun({ argv: [bareWriteSync], env: {} }),
      bareConsole: await timeRun({ argv: [bareConsole], env: {} }),
      outbound: await timeRun({ argv: [outbound], env: {} }),
    };
    // The first reads the files from disk.
    if (round < 0) continue;
    samples.bareWriteSync.push(took.bareWriteSync);
    samples.bareConsole.push(took.bareConsole);
    samples.outbound.push(took.outbound);
  }
  return {
    name: "start",
    title: "Start of the executable",
    how:
      "From process start to exit, without arguments and with an empty environment, as Nomad's fingerprint runs it. The " +
      "floors are one-line programs built by the same script with the same flags that write the same to the same place.",
    measurements: [
      floor("bare executable, fs.writeSync", samples.bareWriteSync),
      floor("bare executable, console", samples.bareConsole),
      measured("outbound, fingerprint", samples.outbound),
    ],
  };
}
