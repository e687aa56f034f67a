import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  readSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { formatPluginRun, parsePluginRuns, type ParsedPluginRuns, type PluginRun } from "../cni/plugin-run.ts";
import { isMissing } from "./atomic-file.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import { isTrusted, isWritableByOthers, requireOwnFolder } from "./own-folder.ts";

/** Its name in the state folder: what the plugin leaves there of each run for the watcher to count. */
export const PLUGIN_RUNS_FILE = "plugin-runs";

/** Some 3,000 runs. Where no watcher reads them, later ones are not recorded. */
const MOST_BYTES = 64 * 1024;

/** Nobody else's link is followed, and a named pipe does not hold us up. */
const APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Adds a run to the state folder's file, in one write that is not waited for on disk. Never throws and makes no folder:
 * what cannot be recorded is left out, as a container must not fail to start for a measurement.
 */
export function recordPluginRun(stateDir: string, run: PluginRun): void {
  try {
    requireOwnFolder(stateDir);
    const descriptor = openSync(fileIn(stateDir), APPEND, 0o600);
    try {
      const stats = fstatSync(descriptor);
      if (!isOwn(stats) || stats.size >= MOST_BYTES) return;
      // The umask may have taken more; a watcher without CAP_DAC_OVERRIDE could not read it then.
      if ((stats.mode & 0o777) !== 0o600) fchmodSync(descriptor, 0o600);
      writeSync(descriptor, formatPluginRun(run));
    } finally {
      closeSync(descriptor);
    }
  } catch {}
}

/** Nobody holds it open for as long as this without writing. */
const LATE_MS = 1000;

/** Takes what the plugin has recorded; each run once. */
export interface PluginRunReader {
  /** Never throws: what cannot be read is logged once, until it can be again. */
  readonly take: () => ParsedPluginRuns;
}

/**
 * The file is unlinked before it is read, so that nothing is counted twice. It stays open for a second at least, in which
 * the next one is left alone: a plugin that had opened it may still write.
 */
export function createPluginRunReader(stateDir: string, { clock, log }: PluginRunReaderPorts): PluginRunReader {
  const file = fileIn(stateDir);
  let unlinked: { readonly descriptor: number; readonly atMs: number } | undefined;
  let told: string | undefined;
  return {
    take() {
      const late = unlinked ? readRest(unlinked.descriptor) : "";
      if (unlinked && clock.monotonicMs() - unlinked.atMs < LATE_MS) return parsePluginRuns(late);
      if (unlinked) closeSync(unlinked.descriptor);
      unlinked = undefined;
      return parsePluginRuns(late + takeCurrent());
    },
  };

  function takeCurrent(): string {
    try {
      const descriptor = openAndUnlink(file);
      unlinked = { descriptor, atMs: clock.monotonicMs() };
      told = undefined;
      return readRest(descriptor);
    } catch (error) {
      if (isMissing(error)) return "";
      const problem = String(error);
      if (problem !== told) log.warn({ file, error: problem }, "Cannot read what the plugin recorded of its runs");
      told = problem;
      return "";
    }
  }
}

export interface PluginRunReaderPorts {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
}

function openAndUnlink(file: string): number {
  const descriptor = openSync(file, READ);
  try {
    if (!isOwn(fstatSync(descriptor)))
      throw new Error(`Cannot trust ${file}: it is no file that only root may write to`);
    unlinkSync(file);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** From where the last read ended; what cannot be read is as good as not there. */
function readRest(descriptor: number): string {
  // As many as a crowd of writers that all saw a file that was not yet full may have added.
  const buffer = Buffer.alloc(2 * MOST_BYTES);
  try {
    return buffer.toString("latin1", 0, readSync(descriptor, buffer, 0, buffer.length, null));
  } catch {
    return "";
  }
}

/** A second name would be one of somebody else's files that was put here to be written to. */
function isOwn(stats: Stats): boolean {
  return stats.isFile() && isTrusted(stats) && !isWritableByOthers(stats) && stats.nlink <= 1;
}

function fileIn(stateDir: string): string {
  return `${stateDir}/${PLUGIN_RUNS_FILE}`;
}
