import { closeSync, constants, mkdirSync, openSync, writeSync } from "node:fs";
import type { Log, LogFields } from "./log.ts";

export interface FileLogOptions {
  /** JSON lines go to `outbound-<date>.log` in it; without one only warnings and errors are kept, on stderr. */
  readonly directory: string | undefined;
  readonly nowMs: () => number;
}

/** In a folder that others may write to, their link is not followed, and their named pipe does not hold us up. */
const APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The plugin's log. A file that cannot be written never fails a verb: its lines go to stderr then, which libcni
 * passes on to the agent's.
 */
export function createFileLog({ directory, nowMs }: FileLogOptions): Log {
  const write = (level: string, fields: LogFields, message: string): void => {
    const time = new Date(nowMs()).toISOString();
    const line = `${JSON.stringify({ level, time, ...fields, msg: message })}\n`;
    if (directory !== undefined && tryAppend(directory, { date: time.slice(0, 10), line })) return;
    if (level !== "info" || directory !== undefined) tryWrite(line);
  };
  return {
    info: (fields, message) => write("info", fields, message),
    warn: (fields, message) => write("warn", fields, message),
    error: (fields, message) => write("error", fields, message),
  };
}

function tryAppend(directory: string, { date, line }: { readonly date: string; readonly line: string }): boolean {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    const descriptor = openSync(`${directory}/outbound-${date}.log`, APPEND, 0o640);
    try {
      writeSync(descriptor, line);
    } finally {
      closeSync(descriptor);
    }
    return true;
  } catch {
    return false;
  }
}

function tryWrite(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // Nobody listens on stderr; the verb's outcome does not depend on it.
  }
}
