import type { ArgumentsCamelCase, Argv } from "yargs";
import { DEFAULTS } from "../lib/cni/defaults.ts";
import { hostInterfaces } from "../lib/host/host-interfaces.ts";
import { createIptables, type Iptables } from "../lib/host/iptables.ts";
import { LockTimeoutError, withLock } from "../lib/host/lock.ts";
import { createNodeLock, type NodeLock } from "../lib/host/node-lock.ts";
import type { Log } from "../lib/host/log.ts";
import { readNftTable } from "../lib/host/nft-table.ts";
import { findStateFiles, removeStateFiles } from "../lib/host/state-files.ts";
import {
  formatUninstall,
  reportFamily,
  type FamilyUninstall,
  type UninstallReport,
} from "../lib/inspect/uninstall-report.ts";
import { findMadeChains } from "../lib/netfilter/made-chains.ts";
import { parseRuleset, type ActualRuleset } from "../lib/netfilter/parse-ruleset.ts";
import { planUninstall, type UninstallPlan } from "../lib/netfilter/plan-uninstall.ts";
import type { Family } from "../lib/policy/address.ts";
import { reconcile } from "../lib/reconcile.ts";
import { examples } from "./examples.ts";
import { readAttachments } from "./node-state.ts";
import { jsonOption, stateOptions } from "./options.ts";
import { printJson, printText } from "./print.ts";
import { requireRoot } from "./require-root.ts";
import { createStderrLog } from "./stderr-log.ts";
import { WATCH_LOCK } from "./watch-lock.ts";

/** A watcher that is just ending lets go within this time. */
const WATCHER_WAIT_MS = 300;

export const command = "uninstall";
export const describe = "Remove every chain, jump and state file of outbound from this node";

export function builder(yargs: Argv) {
  return jsonOption(stateOptions(yargs))
    .option("yes", { type: "boolean", default: false, describe: "Do it: running containers are unfiltered afterwards" })
    .option("force", { type: "boolean", default: false, describe: "Also while a watcher runs on this node" })
    .epilogue(
      [
        ...examples({
          "prints what would be removed, and exits 1": "$0 uninstall",
          "removes it": "$0 uninstall --yes",
        }),
        "Take outbound out of the conflist and stop the watcher first, or the next",
        "container brings its chains back. Chains that the Go plugin made stay, and so",
        "does what is not outbound's in the two folders. So do the plugin's logs, and",
        "what iptables keeps once it was used: an empty table, and its lock file.",
        "",
        "JSON: { isDone,",
        "        families: [{ family: 4|6, jumpsFrom: [chain], chains: [],",
        "                     leftChains: [], emptied: [], leftEmpty: [chain] }],",
        "        files: [], leftFolders: [] }",
      ].join("\n"),
    );
}

type UninstallArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ stateDir, cacheDir, yes, force, json }: UninstallArguments): Promise<void> {
  requireRoot("uninstall");
  const log = createStderrLog();
  const lock = createNodeLock();
  const iptables = createIptables({ path: process.env["PATH"], inherited: lock.descriptor });
  const work = (): Promise<UninstallReport> =>
    uninstall({ stateDir, cacheDir, isDryRun: !yes }, { iptables, log, lock });
  const report = yes && !force ? await withoutWatcher(work) : await work();
  if (json) printJson(report);
  else printText(formatUninstall(report));
  if (yes) return;
  process.stderr.write("outbound: Nothing was removed: it leaves running containers unfiltered, add --yes to do it\n");
  process.exitCode = 1;
}

interface UninstallOptions {
  readonly stateDir: string;
  readonly cacheDir: string;
  readonly isDryRun: boolean;
}

interface UninstallPorts {
  readonly iptables: Iptables;
  readonly log: Log;
  readonly lock: NodeLock;
}

/** The kernel first, the records last: a repeat after an interruption still knows what there was. */
function uninstall(
  { isDryRun, ...folders }: UninstallOptions,
  { iptables, log, lock }: UninstallPorts,
): Promise<UninstallReport> {
  const work = async (): Promise<UninstallReport> => {
    const { attachments } = readAttachments(folders.stateDir, log);
    const mainChains = [DEFAULTS.mainChain, ...attachments.map(({ policy }) => policy.mainChain)];
    const families: FamilyUninstall[] = [];
    for (const family of [4, 6] as const) {
      if (!iptables.has(family) || !hostInterfaces.hasFamily(family)) continue;
      const plan = (actual: ActualRuleset): UninstallPlan => planUninstall({ actual, family, mainChains });
      const table = await readNftTable(family, { path: process.env["PATH"] });
      const actual = isDryRun
        ? await readTable(iptables, family)
        : (await reconcile(family, { plan, iptables, log })).actual;
      const planned = plan(actual);
      const found = findMadeChains(table ?? "", { builtIn: planned.leftEmpty, mainChains: planned.remove });
      const made = isDryRun ? found : await removeEmpty(found, { family, iptables });
      families.push(reportFamily(family, planned, { made }));
    }
    if (isDryRun) return { isDone: false, families, files: findStateFiles(folders), leftFolders: [] };
    const { removed, left } = removeStateFiles(folders);
    return { isDone: true, families, files: removed, leftFolders: left };
  };
  return isDryRun ? work() : lock.run(work);
}

/** Somebody may have put a rule there since, and an older iptables-nft cannot: then they stay. */
async function removeEmpty(
  chains: readonly string[],
  { family, iptables }: { readonly family: Family; readonly iptables: Iptables },
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const chain of chains) {
    try {
      await iptables.restore(family, `*filter\n-X ${chain}\nCOMMIT\n`);
      removed.push(chain);
    } catch {}
  }
  return removed;
}

async function readTable(iptables: Pick<Iptables, "save">, family: Family): Promise<ActualRuleset> {
  return parseRuleset(await iptables.save(family));
}

/** It would put back what is being removed. */
async function withoutWatcher<T>(work: () => Promise<T>): Promise<T> {
  let hasLock = false;
  try {
    return await withLock(WATCH_LOCK, {
      timeoutMs: WATCHER_WAIT_MS,
      work: () => {
        hasLock = true;
        return work();
      },
    });
  } catch (error) {
    if (hasLock || !(error instanceof LockTimeoutError)) throw error;
    throw new Error("Cannot uninstall: a watcher runs on this node, stop it first or add --force", { cause: error });
  }
}
