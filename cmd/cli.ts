import yargs from "yargs";
import { toPrintable } from "../lib/inspect/printable.ts";
import { COMPLETION_WORD, completeWords } from "./complete-words.ts";
import * as completion from "./completion.ts";
import * as doctor from "./doctor.ts";
import * as explain from "./explain.ts";
import * as list from "./list.ts";
import * as plan from "./plan.ts";
import * as reconcile from "./reconcile.ts";
import * as rules from "./rules.ts";
import * as schema from "./schema.ts";
import * as show from "./show.ts";
import * as status from "./status.ts";
import * as uninstall from "./uninstall.ts";
import { UsageError } from "./usage-error.ts";
import { describeUsage } from "./usage-message.ts";
import { version } from "./version.ts";
import * as watch from "./watch.ts";

/** Exit 0: done. 1: failed. 2: wrong usage. */
export async function runCli(words: readonly string[]): Promise<void> {
  const cli = yargs(words[0] === "help" ? [...words.slice(1), "--help"] : [...words])
    .scriptName("outbound")
    .usage("$0 <command>\n\nThe egress firewall of a Nomad cluster. With CNI_COMMAND set it is the CNI plugin.")
    // For who writes rules, then for who looks at a node, then for who runs one.
    .command(rules)
    .command(plan)
    .command(status)
    .command(list)
    .command(show)
    .command(explain)
    .command(doctor)
    .command(watch)
    .command(reconcile)
    .command(uninstall)
    .command(schema)
    .command(completion)
    .demandCommand(1, "Which command?")
    .strict()
    .middleware(refuseTwice)
    .version(version)
    .alias("help", "h")
    .wrap(Math.min(100, process.stdout.columns ?? 80))
    .exitProcess(false)
    .fail((message, error, self) => {
      if (error) throw error;
      throw new UsageError(describeUsage(message, { words, help: self.help().toString() }));
    });
  try {
    await completeWords(cli, words).parseAsync();
    process.exitCode ??= 0;
  } catch (error) {
    // Whoever presses Tab is writing a command, and must not read an error in the middle of it.
    if (words[0] === COMPLETION_WORD) return;
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`outbound: ${toPrintable(message)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

/** What may come more than once. */
const LISTS = new Set(["_", "host", "files"]);

/** yargs makes a list of what is given twice, whatever the option's type. */
function refuseTwice(options: Readonly<Record<string, unknown>>): void {
  const twice = Object.keys(options).find((name) => Array.isArray(options[name]) && !LISTS.has(name));
  if (twice !== undefined) throw new UsageError(`Cannot read --${twice}: it is given twice, expected it once`);
}
