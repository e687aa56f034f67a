/**
 * `npm run bench`: measures, with floors beside each number in the same run. As root, on a quiet machine.
 *
 * usage: npm run bench -- [--quick] [--only section[,section…]] [--out directory]
 *
 * A full run writes bench/results.json and bench/RESULTS.md, any other .cache/bench/. A target that is not met is
 * printed as not met and is no failure; a thing that did not happen as it should fails the run.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cacheDirectory } from "../setup/cache-directory.ts";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { buildExecutables } from "./executables.ts";
import { describeMachine, type Load, measureLoad, readProcessorTimes, stolenPercentSince } from "./machine.ts";
import { type BenchOptions, parseBenchOptions, type SectionName, sectionNames, sizesOf } from "./options.ts";
import { formatJson, formatMarkdown, formatMeasurement, type Report } from "./report.ts";
import type { Section } from "./section.ts";
import { measureChange } from "./section-change.ts";
import { measureGlobal } from "./section-global.ts";
import { measurePlugin } from "./section-plugin.ts";
import { measureRest } from "./section-rest.ts";
import { measureStart } from "./section-start.ts";
import type { Bench } from "./stage.ts";

const sections: Readonly<Record<SectionName, (bench: Bench) => Promise<Section>>> = {
  start: measureStart,
  plugin: measurePlugin,
  change: measureChange,
  global: measureGlobal,
  rest: measureRest,
};

const openNodes = new Set<ClientNode>();
let isAbandoned = false;

if (process.getuid?.() === 0) {
  const options = parseBenchOptions(process.argv.slice(2));
  // One place for all temporary files, so that none is left whatever happens.
  const temporary = await mkdtemp(join(tmpdir(), "cni-outbound-bench-"));
  process.env["TMPDIR"] = temporary;
  // Not `once`: execa would find itself the only listener, and end the process at once.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void abandon(temporary));
  try {
    await run(options);
  } catch (error) {
    // What is measured fails when its node goes.
    if (!isAbandoned) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
} else {
  process.stderr.write("Cannot run the bench: it makes network namespaces and must be run as root\n");
  process.exitCode = 1;
}

async function run(options: BenchOptions): Promise<void> {
  const startedAtMs = Date.now();
  const load = await measureLoad();
  if (!load.isQuiet) print(`WARNING: the machine is not quiet (${describeLoad(load)}): the numbers will be too high`);
  const processorTimes = readProcessorTimes();
  await ensurePackages({ docker: false });
  const consulBinary = await ensureConsul();
  print("building");
  const executables = await buildExecutables();
  const bench: Bench = { sizes: sizesOf(options), executables, consulBinary, withNode, tell: print };
  const done: Report["sections"][number][] = [];
  for (const name of sectionNames.filter((each) => options.only.includes(each))) {
    const begunAtMs = Date.now();
    const section = await sections[name](bench);
    done.push({ ...section, seconds: (Date.now() - begunAtMs) / 1000 });
    print(["", section.title, ...section.measurements.map(formatMeasurement), ""].join("\n"));
  }
  const words = process.argv.slice(2);
  const report: Report = {
    command: ["npm run bench", ...(words.length === 0 ? [] : ["--", ...words])].join(" "),
    startedAt: new Date(startedAtMs).toISOString(),
    seconds: (Date.now() - startedAtMs) / 1000,
    isQuick: options.isQuick,
    machine: await describeMachine(consulBinary),
    load: { ...load, stolenPercent: stolenPercentSince(processorTimes) },
    sections: done,
  };
  await writeReport(report, options);
}

async function withNode<T>(backend: ClientNode["backend"], work: (node: ClientNode) => Promise<T>): Promise<T> {
  const node = await createNode({ backend, name: "bench" });
  openNodes.add(node);
  try {
    return await work(node);
  } finally {
    openNodes.delete(node);
    await node.close();
  }
}

/** Leaves the machine as it was. */
async function abandon(temporary: string): Promise<void> {
  isAbandoned = true;
  const nodes = [...openNodes];
  openNodes.clear();
  await Promise.allSettled(nodes.map((node) => node.close()));
  await rm(temporary, { recursive: true, force: true });
  process.exit(130);
}

async function writeReport(report: Report, { isQuick, only, out }: BenchOptions): Promise<void> {
  const root = join(import.meta.dirname, "..", "..");
  const isFull = !isQuick && only.length === sectionNames.length;
  const directory = out === undefined ? (isFull ? join(root, "bench") : join(cacheDirectory, "bench")) : resolve(out);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "results.json"), formatJson(report));
  await writeFile(join(directory, "RESULTS.md"), formatMarkdown(report));
  const targets = report.sections.flatMap(({ measurements }) => measurements.flatMap((each) => each.targets));
  const met = targets.filter(({ isMet }) => isMet).length;
  print(`${met} of ${targets.length} targets met; written to ${directory}, after ${report.seconds.toFixed(0)} s`);
}

function describeLoad({ average, busyPercent }: Load): string {
  return `load average ${average.toFixed(2)}, processors busy ${busyPercent.toFixed(0)} %`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
