import type { Argv } from "yargs";
import { DEFAULTS } from "../lib/cni/defaults.ts";

/** Options of every command that reads a node's state. */
export function stateOptions<T>(yargs: Argv<T>) {
  return yargs
    .option("state-dir", { type: "string", default: DEFAULTS.stateDir, describe: "Where the plugin keeps attachments" })
    .option("cache-dir", {
      type: "string",
      default: DEFAULTS.cacheDir,
      describe: "Where the last rules from KV are kept",
    });
}

export function jsonOption<T>(yargs: Argv<T>) {
  return yargs.option("json", { type: "boolean", default: false, describe: "Print JSON" });
}

export function allocPositional<T>(yargs: Argv<T>) {
  return yargs.positional("alloc", {
    type: "string",
    demandOption: true,
    describe: "An allocation's id, or the start of it",
  });
}
