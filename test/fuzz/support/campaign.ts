import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { Account } from "./global-setup.ts";
import { startWatchdog, type Watchdog } from "./watchdog.ts";

/** An input that broke something once. */
export interface Finding<T> {
  /** What was wrong. */
  readonly was: string;
  readonly input: T;
}

export interface Campaign<T> {
  /** How many inputs, in the form of `npm test` and in the one for nights. */
  readonly inputs: { readonly short: number; readonly long: number };
  readonly arbitrary: fc.Arbitrary<T>;
  /** Findings that have been mended, tried each time. */
  readonly corpus?: readonly Finding<T>[];
  /** Throws where the input does what none may. */
  readonly check: (input: T) => void | Promise<void>;
  /** Of how many inputs each new `T` consists; 1 where left out. */
  readonly size?: number;
  /** Whether a failure is made as small as can be, which tries many; true where left out. */
  readonly isShrunk?: boolean;
}

/** In one piece, so that the test runner hears of us in between, and that a failure is found again soon. */
const RUNS_A_CHUNK = 1000;
/**
 * What one input may take of this thread's processor time, which other work on the machine does not add to. A sweep of
 * the heap does, so a bound that is passed is measured again: what passes it each time is slow by itself.
 */
const LONGEST_CPU_MS = 2000;
const MEASUREMENTS = 3;
const LONGEST_CAMPAIGN_MS = 4 * 3_600_000;

/** Declares the tests of one campaign: each finding, and new inputs, which the seed decides. */
export function fuzz<T>(name: string, campaign: Campaign<T>): void {
  const { seed, isLong, counts } = inject("fuzz");
  const { inputs, arbitrary, corpus = [], check, size = 1, isShrunk = true } = campaign;
  const longestMs = LONGEST_CPU_MS * size;
  let [tried, slowestMs] = [0, 0];
  let isTooSlow = false;
  let watchdog: Watchdog | undefined;

  const measure = async (input: T): Promise<number> => {
    watchdog?.sign();
    const before = process.threadCpuUsage();
    // Most are synchronous, and a turn of the event loop for each would cost more than they do.
    const checking = check(input);
    if (checking) await checking;
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  };
  const tryOne = async (input: T): Promise<void> => {
    // It is not made smaller: each of the thousands of tries would be as slow.
    if (isTooSlow) return;
    let usedMs = await measure(input);
    for (let times = 1; usedMs > longestMs && times < MEASUREMENTS; times += 1) {
      usedMs = Math.min(usedMs, await measure(input));
    }
    if (usedMs > longestMs) {
      isTooSlow = true;
      throw new Error(`took ${usedMs.toFixed(0)} ms, expected at most ${longestMs}`);
    }
    slowestMs = Math.max(slowestMs, usedMs);
  };

  describe(`fuzzing ${name}`, () => {
    let startedMs = 0;
    beforeAll(() => {
      startedMs = performance.now();
      watchdog = startWatchdog(`${name}, seed ${seed}`);
    });

    for (const { was, input } of corpus) {
      test(`no longer: ${was}`, async () => {
        tried += 1;
        await expect(tryOne(input)).resolves.toBeUndefined();
      });
    }

    test(
      "new inputs",
      async () => {
        const runs = Math.ceil((isLong ? inputs.long : inputs.short) / size);
        for (let done = 0; done < runs; done += RUNS_A_CHUNK) {
          const numRuns = Math.min(RUNS_A_CHUNK, runs - done);
          await fc.assert(fc.asyncProperty(arbitrary, tryOne), {
            numRuns,
            seed: seedOf(`${seed}/${name}/${done}`),
            endOnFailure: !isShrunk,
          });
          tried += numRuns * size;
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(tried).toBeGreaterThanOrEqual(runs * size);
      },
      LONGEST_CAMPAIGN_MS,
    );

    afterAll(async () => {
      await watchdog?.close();
      const account: Account = { name, tried, slowestMs, seconds: (performance.now() - startedMs) / 1000 };
      writeFileSync(join(counts, digest(name)), JSON.stringify(account));
    });
  });
}

/** fast-check takes 32 bits. */
function seedOf(text: string): number {
  return Number.parseInt(digest(text).slice(0, 8), 16) | 0;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
