import yargs from "yargs";
import * as explain from "./explain.ts";
import * as list from "./list.ts";
import * as reconcile from "./reconcile.ts";
import * as show from "./show.ts";
import * as uninstall from "./uninstall.ts";
import { UsageError } from "./usage-error.ts";
import { version } from "./version.ts";
import * as watch from "./watch.ts";

/** Exit 0: done. 1: failed. 2: wrong usage. */
export async function runCli(words: readonly string[]): Promise<void> {
  const cli = yargs([...words])
    .scriptName("outbound")
    .usage("$0 <command>\n\nThe egress firewall of a Nomad cluster. With CNI_COMMAND set it is the CNI plugin.")
    .command(watch)
    .command(list)
    .command(show)
    .command(explain)
    .command(reconcile)
    .command(uninstall)
    .demandCommand(1, "Which command? One of those above")
    .strict()
    .version(version)
    .alias("help", "h")
    .wrap(Math.min(100, process.stdout.columns ?? 80))
    .exitProcess(false)
    .fail((message, error, self) => {
      if (error) throw error;
      process.stderr.write(`${self.help().toString()}\n\n`);
      throw new UsageError(message);
    });
  try {
    await cli.parseAsync();
    process.exitCode ??= 0;
  } catch (error) {
    process.stderr.write(`outbound: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
