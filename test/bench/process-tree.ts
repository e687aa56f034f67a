import { readdirSync, readFileSync } from "node:fs";

/** A process, and apart from it all that it started. */
export interface TreeUse {
  readonly own: ProcessUse;
  /** Those that still run, and the processor time of those that have ended. */
  readonly children: ProcessUse;
  /** How many run, the first included. */
  readonly processes: number;
}

export interface ProcessUse {
  /** Processor time since the start. */
  readonly cpuMs: number;
  readonly residentMb: number;
  /** Of that, what no file backs: a program's own text is no more than the page cache. */
  readonly anonymousMb: number;
}

/** @throws Error where the process has ended */
export function readTree(root: number): TreeUse {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap(readProcess);
  const tree = new Set([root]);
  for (const pid of tree) for (const each of all) if (each.parent === pid) tree.add(each.pid);
  const members = all.filter(({ pid }) => tree.has(pid));
  const first = members.find(({ pid }) => pid === root);
  if (!first) throw new Error(`Cannot measure process ${root}: it has ended`);
  const running = members.filter((member) => member !== first);
  const sum = (of: (each: Process) => number, processes: readonly Process[]) =>
    processes.reduce((total, each) => total + of(each), 0);
  return {
    own: first,
    children: {
      cpuMs: sum(({ cpuMs }) => cpuMs, running) + sum(({ endedCpuMs }) => endedCpuMs, members),
      residentMb: sum(({ residentMb }) => residentMb, running),
      anonymousMb: sum(({ anonymousMb }) => anonymousMb, running),
    },
    processes: members.length,
  };
}

interface Process extends ProcessUse {
  readonly pid: number;
  readonly parent: number;
  /** Of its children that have ended and been waited for. */
  readonly endedCpuMs: number;
}

/** /proc counts in USER_HZ, 100 on every Linux that Debian has (proc_pid_stat(5), time(7)). */
const MS_A_TICK = 10;

/** None where it ended meanwhile. */
function readProcess(name: string): readonly Process[] {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, "utf8");
    const status = readFileSync(`/proc/${name}/status`, "utf8");
    // The name in parentheses may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [utime = 0, stime = 0, cutime = 0, cstime = 0] = fields.slice(11, 15).map(Number);
    return [
      {
        pid: Number(name),
        parent: Number(fields[1]),
        cpuMs: (utime + stime) * MS_A_TICK,
        endedCpuMs: (cutime + cstime) * MS_A_TICK,
        residentMb: megabytes(status, "VmRSS"),
        anonymousMb: megabytes(status, "RssAnon"),
      },
    ];
  } catch {
    return [];
  }
}

function megabytes(status: string, field: string): number {
  return (Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024) / 1e6;
}
