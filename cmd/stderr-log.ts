import type { Log, LogFields } from "../lib/host/log.ts";
import { toPrintable } from "../lib/inspect/printable.ts";

export interface StderrLog extends Log {
  /** Whether anything was logged as an error so far. */
  readonly hasErrors: () => boolean;
}

/** Warnings and errors as lines on stderr, for commands that a person runs. */
export function createStderrLog(): StderrLog {
  let hasErrors = false;
  const write = (fields: LogFields, message: string): void => {
    const facts = Object.entries(fields).map(([name, value]) => `${name}=${toText(value)}`);
    const shown = facts.length === 0 ? message : `${message} (${facts.join(", ")})`;
    process.stderr.write(`outbound: ${toPrintable(shown)}\n`);
  };
  return {
    info: () => {},
    warn: write,
    error: (fields, message) => {
      hasErrors = true;
      write(fields, message);
    },
    hasErrors: () => hasErrors,
  };
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
