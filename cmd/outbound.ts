import { isatty } from "node:tty";
import { aboutText } from "../lib/cni/version.ts";
import { version } from "./version.ts";
import { writeAll } from "./write-all.ts";

// Each way is loaded only when it is taken: a plugin's start must not pay for the watcher, nor a fingerprint for either.
const isPlugin = (process.env["CNI_COMMAND"] ?? "") !== "";
const words = process.argv.slice(2);
if (isPlugin) {
  const { runAsPlugin } = await import("./plugin.ts");
  await runAsPlugin();
} else if (words.length > 0) {
  const { runCli } = await import("./cli.ts");
  await runCli(words);
} else {
  writeAll(2, aboutText(version));
  // Nomad reads the lines above; a person wants to know how to go on.
  if (isatty(2)) writeAll(2, "Commands: outbound help\n");
}
