import { ConsulError } from "../lib/host/consul-error.ts";
import type { Log } from "../lib/host/log.ts";
import { backoffMs, LONGEST_BACKOFF_MS } from "./backoff.ts";

/** Failures in a row to write a node's status. */
export interface StatusFailures {
  /** Returns how many milliseconds to wait before the next try. */
  readonly add: (error: unknown) => number;
  readonly clear: () => void;
}

/** Where ACLs forbid it a person has to act, and nothing is lost but the view from outside. */
const LONGEST_FORBIDDEN_MS = 600_000;
const LONGEST_UNREACHABLE_MS = 5000;

/** Says a failure once, and again only when it becomes one of another kind. */
export function createStatusFailures({ log, random }: StatusFailuresPorts): StatusFailures {
  let count = 0;
  let told: string | undefined;
  return {
    add(error) {
      const kind = error instanceof ConsulError ? error.kind : "internal";
      count += 1;
      const problem = problemOf(error);
      if (kind !== told && kind === "forbidden") {
        log.warn({ kind, problem }, "Cannot write this node's status, outbound status will not see it");
      } else if (kind !== told) {
        log.warn({ kind, problem }, "Cannot write this node's status, trying again");
      }
      told = kind;
      return backoffMs(count, { random, longestMs: longestBackoffMs(kind) });
    },
    clear() {
      if (count > 0) log.info({ failures: count }, "This node's status can be written again");
      count = 0;
      told = undefined;
    },
  };
}

export interface StatusFailuresPorts {
  readonly log: Log;
  readonly random: () => number;
}

export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function longestBackoffMs(kind: string): number {
  if (kind === "forbidden") return LONGEST_FORBIDDEN_MS;
  return kind === "unreachable" ? LONGEST_UNREACHABLE_MS : LONGEST_BACKOFF_MS;
}
