import { closeSync, constants, openSync, readSync } from "node:fs";
import type { Log } from "./log.ts";

/** What the kernel logs from now on. */
export interface KernelLog {
  /** The messages that have come since the last time and start with the prefix, in order. Never waits, never throws. */
  readonly read: () => readonly string[];
  readonly close: () => void;
}

export interface KernelLogOptions {
  readonly prefix: string;
  readonly log: Log;
  /** Default `/dev/kmsg`. */
  readonly path?: string;
}

/** One read gives one record, of at most this many bytes (CONSOLE_EXT_LOG_MAX in linux/console.h). */
const LONGEST_RECORD = 8192;
/** A millisecond holds about 500; what a flood of other programs' lines leaves waits for the next time. */
const RECORDS_A_READ = 5_000;
/** More than the largest buffers hold: it ends where lines come faster than they are read. */
const RECORDS_TO_SKIP = 200_000;

/**
 * Opens the kernel's log at its end. Where it cannot be read, as in a container without it or without CAP_SYSLOG, that
 * is said once, and nothing is ever read. Lines that the kernel overwrote before they were read are lost.
 */
export function openKernelLog({ prefix, log, path = "/dev/kmsg" }: KernelLogOptions): KernelLog {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // There is no lseek to go to the end with.
    readRecords(descriptor, { most: RECORDS_TO_SKIP, take: () => {} });
  } catch (error) {
    giveUp(error);
  }
  return {
    read() {
      const messages: string[] = [];
      if (descriptor === undefined) return messages;
      try {
        const take = (record: string): void => void messages.push(...messagesIn(record, prefix));
        readRecords(descriptor, { most: RECORDS_A_READ, take });
      } catch (error) {
        giveUp(error);
      }
      return messages;
    },
    close,
  };

  function giveUp(error: unknown): void {
    close();
    log.warn(
      { file: path, error: String(error) },
      "Cannot read the kernel's log: counters count, but what is denied or audited is not told one by one",
    );
  }

  function close(): void {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
  }
}

interface ReadOptions {
  readonly most: number;
  readonly take: (record: string) => void;
}

/** Until there is nothing more, or `most` records have been read. */
function readRecords(descriptor: number, { most, take }: ReadOptions): void {
  const buffer = Buffer.alloc(LONGEST_RECORD);
  for (let count = 0; count < most; count++) {
    try {
      const length = readSync(descriptor, buffer, 0, buffer.length, null);
      if (length === 0) return;
      take(buffer.toString("utf8", 0, length));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EAGAIN") return;
      // Records were overwritten; the next read gives the oldest that is left (Documentation/ABI/testing/dev-kmsg).
      if (code !== "EPIPE") throw error;
    }
  }
}

/**
 * A record is `priority,sequence,time,flags;message` and lines of more that start with a space. What a program wrote
 * there has another facility than the kernel's own, 0: nobody else can make us believe that a packet was seen.
 */
function messagesIn(record: string, prefix: string): readonly string[] {
  return record.split("\n").flatMap((line) => {
    const [, priority, message = ""] = /^(\d+),[^;]*;(.*)$/.exec(line) ?? [];
    return priority !== undefined && Number(priority) < 8 && message.startsWith(prefix) ? [message] : [];
  });
}
