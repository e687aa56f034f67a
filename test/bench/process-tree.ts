import { readdirSync, readFileSync } from "node:fs";

/** A process and all that it started and that still runs. */
export interface TreeUse {
  /** Processor time in ms since each started, that of their ended and waited-for children included. */
  readonly cpuMs: number;
  readonly residentMb: number;
  readonly processes: number;
}

/** /proc counts in USER_HZ, 100 on every Linux that Debian has (proc_pid_stat(5), time(7)). */
const MS_A_TICK = 10;

/** @throws Error where the process has ended */
export function readTree(root: number): TreeUse {
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap(readProcess);
  const tree = new Set([root]);
  for (const pid of tree) for (const each of processes) if (each.parent === pid) tree.add(each.pid);
  const members = processes.filter(({ pid }) => tree.has(pid));
  if (!members.some(({ pid }) => pid === root)) throw new Error(`Cannot measure process ${root}: it has ended`);
  return {
    cpuMs: members.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    residentMb: members.reduce((sum, { residentMb }) => sum + residentMb, 0),
    processes: members.length,
  };
}

interface ProcessUse {
  readonly pid: number;
  readonly parent: number;
  readonly cpuMs: number;
  readonly residentMb: number;
}

/** None where it ended meanwhile. */
function readProcess(name: string): readonly ProcessUse[] {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, "utf8");
    const status = readFileSync(`/proc/${name}/status`, "utf8");
    // The name in parentheses may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // utime, stime, cutime, cstime
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    const residentKb = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    return [
      { pid: Number(name), parent: Number(fields[1]), cpuMs: ticks * MS_A_TICK, residentMb: (residentKb * 1024) / 1e6 },
    ];
  } catch {
    return [];
  }
}
