import { readFileSync } from "node:fs";
import { parseOwnJson } from "../support/json.ts";
import type { ClientNode } from "../support/network-namespace.ts";

/**
 * Runs a script of this folder inside a node's network namespace, once, and returns what it found: what it starts then
 * starts there without a further `ip netns exec`, which would cost as much as what is measured.
 */
export async function runWorker<Found>(
  node: ClientNode,
  { script, job }: { readonly script: string; readonly job: object },
): Promise<Found> {
  const { stdout } = await node.exec([process.execPath, script], {
    input: JSON.stringify(job),
    env: { NODE_OPTIONS: "" },
    timeoutMs: 900_000,
  });
  return parseOwnJson(stdout);
}

/** The worker's side: answers the job that it was started with, given as the text of it. */
export async function answerJob(answer: (text: string) => Promise<object>): Promise<void> {
  const found = await answer(readFileSync(0, "utf8"));
  process.stdout.write(JSON.stringify(found));
}
