import { pino } from "pino";
import type { Log } from "./log.ts";

export const LOG_LEVELS = ["info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Takes whole lines of JSON, each with its newline. */
export interface LogDestination {
  write(line: string): void;
}

/**
 * A log of JSON lines with `level` as a word and `time` in RFC 3339. An `error` field is written with its type, message,
 * stack and causes. Lines are written synchronously: what is logged last before a crash is what matters most.
 */
export function createPinoLog(options: { level: LogLevel; destination: LogDestination }): Log {
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    options.destination,
  );
  return {
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}
