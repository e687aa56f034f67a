import { setTimeout as sleep } from "node:timers/promises";

export interface WaitOptions {
  /** Default 5,000. */
  readonly timeoutMs?: number;
  /** What is awaited, for the error message: "the flow to be cut". */
  readonly what: string;
}

/**
 * Polls every 5 ms until the condition gives something other than `false` or `undefined`, and returns that.
 * Throws, naming what was awaited, after `timeoutMs`; a condition that throws ends the wait.
 */
export async function waitUntil<T>(
  condition: () => T | false | undefined | Promise<T | false | undefined>,
  options: WaitOptions,
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 5_000;
  const deadlineMs = monotonicMs() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== undefined) return value;
    if (monotonicMs() > deadlineMs) throw new Error(`Cannot go on: waited ${timeoutMs} ms for ${options.what}`);
    await sleep(5);
  }
}

/** Milliseconds of CLOCK_MONOTONIC: comparable between all processes of one machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
