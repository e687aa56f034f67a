import { appendFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Variant } from "../../support/variant.ts";
import type { FlowName } from "./stream.ts";

/** What one run of one scenario came to. */
export interface RunRecord {
  readonly group: string;
  readonly scenario: string;
  readonly backend: Variant;
  readonly form: "gate" | "long";
  readonly seed: number;
  readonly seconds: number;
  /** Attempts made on each flow. */
  readonly packets: Readonly<Record<FlowName, number>>;
  /** Milliseconds, by what took them. */
  readonly notes: Readonly<Record<string, number>>;
  /** Empty: everything was as it must be. */
  readonly problems: readonly string[];
}

/** As much of a group as the account says. */
export interface ListedGroup {
  readonly name: string;
  readonly limits?: readonly string[];
  readonly scenarios: readonly ListedScenario[];
}

export interface ListedScenario {
  readonly name: string;
  readonly told: string;
  readonly lostBoundMs?: number;
  readonly leakBoundMs?: number;
  readonly withinMs?: number;
}

export const cacheFolder = join(import.meta.dirname, "..", "..", "..", ".cache", "faults");

/** One JSON record a line, in the file that FAULTS_RECORDS names. */
export async function record(run: RunRecord): Promise<void> {
  const path = process.env["FAULTS_RECORDS"] ?? join(cacheFolder, "records.jsonl");
  await mkdir(dirname(path), { recursive: true });
  await appendFile(path, `${JSON.stringify(run)}\n`);
}
