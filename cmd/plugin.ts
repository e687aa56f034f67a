import { readFileSync } from "node:fs";
import * as z from "zod";
import { CNI_ERROR, CniError, formatError } from "../lib/cni/errors.ts";
import { runPlugin, type StartedRun } from "../lib/cni/run.ts";
import { recordPluginRun } from "../lib/host/plugin-runs.ts";
import { createPluginHost } from "./plugin-host.ts";
import { version } from "./version.ts";
import { writeAll } from "./write-all.ts";

/** Nomad waits for a plugin without a bound, and holds up every other allocation's network meanwhile. */
const TIMEOUT_MS = 45_000;

/** One run as a CNI plugin. */
export async function runAsPlugin(): Promise<void> {
  let started: StartedRun | undefined;
  const end = (exitCode: number): never => {
    if (started) {
      const { verb, stateDir } = started;
      recordPluginRun(stateDir, { verb, seconds: performance.now() / 1000, isFailed: exitCode !== 0 });
    }
    process.exit(exitCode);
  };
  const fail = (error: unknown): never => {
    writeAll(1, formatError(error));
    return end(1);
  };
  // Compiling a schema costs more than reading one small configuration with it.
  z.config({ jitless: true });
  // Whatever goes wrong, the runtime gets an error that it can show: an empty stdout says nothing.
  process.on("uncaughtException", fail);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  timeout.addEventListener("abort", () => {
    fail(new CniError(`Gave up after ${TIMEOUT_MS} ms`, { code: CNI_ERROR.tryAgainLater }));
  });
  const onRun = (run: StartedRun): void => void (started = run);
  const { stdout, stderr, exitCode } = await runPlugin(
    { env: process.env, readStdin: () => readFileSync(0, "utf8"), version, onRun },
    createPluginHost({ path: process.env["PATH"], signal: timeout }),
  );
  if (stderr !== "") writeAll(2, stderr);
  if (stdout !== "") writeAll(1, stdout);
  // The answer is out: whatever becomes of the record changes nothing of it.
  end(exitCode);
}
