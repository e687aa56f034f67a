import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    readonly fuzz: { readonly seed: number; readonly isLong: boolean; readonly counts: string };
  }
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
    const inputs = readdirSync(counts).map((name) => Number(readFileSync(join(counts, name), "utf8")));
    rmSync(counts, { recursive: true });
    process.stdout.write(`fuzz: ${inputs.reduce((sum, count) => sum + count, 0)} inputs, seed ${seed}\n`);
  };
}

function readSeed(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,10}$/.test(text) || Number(text) >= SEEDS) {
    throw new Error(`Cannot read FUZZ_SEED: found ${text}, expected 0-${SEEDS - 1}`);
  }
  return Number(text);
}
