import type { Argv } from "yargs";
import { parseDuration } from "../lib/policy/duration.ts";
import { UsageError } from "./usage-error.ts";

/** `--wait` and its bound. */
export function waitOptions<T>(yargs: Argv<T>) {
  return yargs
    .option("wait", { type: "boolean", default: false, describe: "Wait until it is so on every node it concerns" })
    .option("timeout", { type: "string", default: "10s", describe: "How long --wait waits at most" });
}

/** How long to wait at most, in milliseconds; 0 without `--wait`. @throws UsageError */
export function readWait({ wait, timeout }: { readonly wait: boolean; readonly timeout: string }): number {
  try {
    const timeoutMs = parseDuration(timeout);
    return wait ? timeoutMs : 0;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
