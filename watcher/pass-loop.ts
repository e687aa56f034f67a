import type { Clock } from "../lib/host/clock.ts";
import type { Log } from "../lib/host/log.ts";
import { backoffMs } from "./backoff.ts";

/** A broken kernel interface is tried again at least this often. */
const LONGEST_RETRY_MS = 5000;

export interface PassRequest {
  /** Whether to read the kernel's chains instead of trusting what the last pass left there. */
  readonly isResync: boolean;
  /** Whether to look which attachments there are, and which of them have gone. */
  readonly isListing: boolean;
}

export interface PassLoop {
  /** Has a pass run soon; what is asked for while one runs becomes one more. */
  readonly request: (request: PassRequest) => void;
  /** Resolves when the loop has ended, after `signal` aborted. */
  readonly ended: Promise<void>;
}

export interface PassLoopPorts {
  readonly pass: (request: PassRequest) => Promise<void>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Runs passes one at a time. One that fails is run again, reading everything, with a jittered backoff. */
export function createPassLoop({ pass, clock, random, log, signal }: PassLoopPorts): PassLoop {
  let wanted: PassRequest | undefined;
  let wake = (): void => {};
  const request = ({ isResync, isListing }: PassRequest): void => {
    wanted = {
      isResync: isResync || wanted?.isResync === true,
      isListing: isListing || wanted?.isListing === true,
    };
    wake();
  };
  signal.addEventListener("abort", () => wake(), { once: true });
  return { request, ended: run() };

  async function run(): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      if (!wanted) await new Promise<void>((resolve) => void (wake = resolve));
      if (signal.aborted || !wanted) continue;
      const current = wanted;
      wanted = undefined;
      try {
        await pass(current);
        if (failures > 0) log.info({ failures }, "This node's chains are up to date again");
        failures = 0;
      } catch (error) {
        failures++;
        log.error({ failures, error: String(error) }, "Cannot bring this node's chains up to date, trying again");
        request({ isResync: true, isListing: true });
        await pause(backoffMs(failures, { random, longestMs: LONGEST_RETRY_MS }));
      }
    }
  }

  async function pause(ms: number): Promise<void> {
    try {
      await clock.sleep(ms, signal);
    } catch {
      // Aborted: the loop looks at the signal.
    }
  }
}
