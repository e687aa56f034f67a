import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { findProgram, programFolders } from "./iptables.ts";
import type { Log } from "./log.ts";

export interface RulesetMonitorOptions {
  readonly path: string | undefined;
  /** iptables-legacy has no events to follow. */
  readonly variant: "nf_tables" | "legacy";
  /** Whether a process is one of ours. */
  readonly isOwn: (pid: number) => boolean;
  readonly onChange: () => void;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Docker or a firewall daemon makes hundreds of changes in a row; one look after the first and one after the last do. */
const SETTLE_MS = 100;
const RESTART_MS = 5000;
/** nft monitor says nothing when it begins to listen; this is ample. */
const START_MS = 2000;

export interface RulesetMonitor {
  /** Whether changes by others are seen as they happen; otherwise somebody has to look. */
  readonly isLive: () => boolean;
}

/**
 * Calls back soon after another process has changed nf_tables, which iptables-nft uses too: `nft monitor` prints who
 * made each generation of the ruleset (nft(8), MONITOR).
 */
export function monitorRuleset(options: RulesetMonitorOptions): RulesetMonitor {
  const { path, variant, isOwn, onChange, log, signal } = options;
  const nft = variant === "legacy" ? undefined : findProgram("nft", programFolders(path));
  if (nft === undefined) {
    log.info({ variant }, "Changes by others are found by polling: no nft monitor for this variant of iptables");
    return { isLive: () => false };
  }
  let isLive = false;
  let isLossTold = false;
  let pending: NodeJS.Timeout | undefined;
  const changed = (): void => {
    pending ??= setTimeout(() => {
      pending = undefined;
      onChange();
    }, SETTLE_MS);
  };
  const start = (): void => {
    if (signal.aborted) return;
    const child = spawn(nft, ["monitor"], { stdio: ["ignore", "pipe", "ignore"], env: { LC_ALL: "C" }, signal });
    // What happens until it listens is seen by one look afterwards.
    const listening = setTimeout(() => {
      isLive = true;
      if (isLossTold) log.info({}, "Changes by others are told by nft monitor again");
      isLossTold = false;
      changed();
    }, START_MS);
    listening.unref();
    createInterface({ input: child.stdout }).on("line", (line) => {
      const pid = /^# new generation \d+ by process (\d+)/.exec(line)?.[1];
      const hasLost = line.startsWith("# ERROR");
      if (hasLost || (pid !== undefined && !isOwn(Number(pid)))) changed();
    });
    child.on("error", () => {});
    child.on("close", () => {
      isLive = false;
      clearTimeout(listening);
      if (signal.aborted) return;
      if (!isLossTold) log.warn({}, "nft monitor ended, changes by others are found by polling until it runs again");
      isLossTold = true;
      setTimeout(start, RESTART_MS).unref();
      // What happened meanwhile was not seen.
      changed();
    });
  };
  start();
  return { isLive: () => isLive };
}

/** Remembers the last processes that were started, which is long enough for the monitor to tell of what they did. */
export function createPidMemory(size = 256): PidMemory {
  const pids = new Set<number>();
  return {
    add: (pid) => {
      pids.delete(pid);
      pids.add(pid);
      const [oldest] = pids;
      if (pids.size > size && oldest !== undefined) pids.delete(oldest);
    },
    has: (pid) => pids.has(pid),
  };
}

export interface PidMemory {
  readonly add: (pid: number) => void;
  readonly has: (pid: number) => boolean;
}
