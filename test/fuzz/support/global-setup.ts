import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { parseOwnJson } from "../../support/json.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly fuzz: { readonly seed: number; readonly isLong: boolean; readonly counts: string };
  }
}

/** What one campaign did. */
export interface Account {
  readonly name: string;
  readonly tried: number;
  /** Of this thread's processor time; of several inputs together where they are read at once. */
  readonly slowestMs: number;
  readonly seconds: number;
}

const SEEDS = 2 ** 31;

/** Chooses the seed of a run, or takes the one it is given, and says at its end how much was tried. */
export default function setup(project: TestProject): () => void {
  const seed = readSeed(process.env["FUZZ_SEED"]) ?? randomInt(SEEDS);
  const isLong = process.env["FUZZ"] === "long";
  const counts = mkdtempSync(join(tmpdir(), "cni-outbound-fuzz-"));
  project.provide("fuzz", { seed, isLong, counts });
  process.stdout.write(`fuzz: seed ${seed}${isLong ? ", long" : ""}\n`);
  return () => {
    const accounts = readdirSync(counts).map((name) => parseOwnJson<Account>(readFileSync(join(counts, name), "utf8")));
    rmSync(counts, { recursive: true });
    for (const account of accounts.toSorted((a, b) => b.tried - a.tried)) process.stdout.write(line(account));
    process.stdout.write(`fuzz: ${accounts.reduce((sum, { tried }) => sum + tried, 0)} inputs, seed ${seed}\n`);
  };
}

function line({ name, tried, slowestMs, seconds }: Account): string {
  return `fuzz: ${String(tried).padStart(7)} of ${name}: ${seconds.toFixed(1)} s, slowest ${slowestMs.toFixed(0)} ms\n`;
}

function readSeed(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,10}$/.test(text) || Number(text) >= SEEDS) {
    throw new Error(`Cannot read FUZZ_SEED: found ${text}, expected 0-${SEEDS - 1}`);
  }
  return Number(text);
}
