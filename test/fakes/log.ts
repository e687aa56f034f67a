import type { Log, LogFields } from "../../lib/host/log.ts";

export interface LoggedLine {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** A log that can be read back. */
export interface MemoryLog extends Log {
  readonly lines: readonly LoggedLine[];
}

export function createMemoryLog(): MemoryLog {
  const lines: LoggedLine[] = [];
  return {
    lines,
    info: (fields, message) => void lines.push({ level: "info", message, fields }),
    warn: (fields, message) => void lines.push({ level: "warn", message, fields }),
    error: (fields, message) => void lines.push({ level: "error", message, fields }),
  };
}
