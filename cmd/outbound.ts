import { readFileSync, writeSync } from "node:fs";
import { CNI_ERROR, CniError, formatError } from "../lib/cni/errors.ts";
import { runPlugin } from "../lib/cni/run.ts";
import { createPluginHost } from "./plugin-host.ts";
import { version } from "./version.ts";

/** Nomad waits for a plugin without a bound, and holds up every other allocation's network meanwhile. */
const PLUGIN_TIMEOUT_MS = 45_000;

const [, , ...words] = process.argv;
if ((process.env["CNI_COMMAND"] ?? "") === "" && words.length > 0) {
  // Loaded only here: the plugin's start must not pay for the command line and the watcher.
  void import("./cli.ts").then(({ runCli }) => runCli(words));
} else {
  void main();
}

async function main(): Promise<void> {
  const timeout = AbortSignal.timeout(PLUGIN_TIMEOUT_MS);
  timeout.addEventListener("abort", () => {
    const error = new CniError(`Gave up after ${PLUGIN_TIMEOUT_MS} ms`, { code: CNI_ERROR.tryAgainLater });
    writeSync(1, formatError(error));
    process.exit(1);
  });
  const { stdout, stderr, exitCode } = await runPlugin(
    { env: process.env, readStdin: () => readFileSync(0, "utf8"), version },
    createPluginHost({ path: process.env["PATH"], signal: timeout }),
  );
  if (stderr !== "") writeSync(2, stderr);
  if (stdout !== "") writeSync(1, stdout);
  process.exit(exitCode);
}
