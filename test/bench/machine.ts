import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand } from "../support/command.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly kernel: string;
  readonly iptablesNft: string;
  readonly iptablesLegacy: string;
  readonly nft: string;
  readonly bun: string;
  readonly node: string;
  readonly consul: string;
}

export interface Load {
  /** Of the last minute. */
  readonly average: number;
  /** Of all processors, over the second in which it was looked at. */
  readonly busyPercent: number;
  readonly isQuiet: boolean;
}

export interface LoadReport extends Load {
  /** Of all processor time from the start of the bench to its end. */
  readonly stolenPercent: number;
}

export async function describeMachine(consul: string): Promise<Machine> {
  const say = async (...argv: readonly string[]) => (await runCommand(argv)).stdout.trim().split("\n")[0] ?? "";
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown",
    kernel: release(),
    iptablesNft: await say("/usr/sbin/xtables-nft-multi", "iptables", "--version"),
    iptablesLegacy: await say("/usr/sbin/xtables-legacy-multi", "iptables", "--version"),
    nft: await say("/usr/sbin/nft", "--version"),
    bun: await say("bun", "--version"),
    node: process.version,
    consul: await say(consul, "version"),
  };
}

/** What else the machine does; call it before anything is begun. */
export async function measureLoad(): Promise<Load> {
  const average = loadavg()[0] ?? 0;
  const before = readProcessorTimes();
  await sleep(1000);
  const { busy, total } = difference(before, readProcessorTimes());
  const busyPercent = (100 * busy) / total;
  return { average, busyPercent, isQuiet: average < 0.5 && busyPercent < 10 };
}

/** In ticks since boot, of all processors together (proc_stat(5)). */
export interface ProcessorTimes {
  readonly busy: number;
  readonly stolen: number;
  readonly total: number;
}

export function readProcessorTimes(): ProcessorTimes {
  const line = readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "";
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, stolen = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + irq + softirq + stolen;
  return { busy, stolen, total: busy + idle + iowait };
}

export function stolenPercentSince(before: ProcessorTimes): number {
  const { stolen, total } = difference(before, readProcessorTimes());
  return total === 0 ? 0 : (100 * stolen) / total;
}

function difference(before: ProcessorTimes, after: ProcessorTimes): ProcessorTimes {
  return {
    busy: after.busy - before.busy,
    stolen: after.stolen - before.stolen,
    total: Math.max(1, after.total - before.total),
  };
}
