import type { ArgumentsCamelCase, Argv } from "yargs";
import { createAttachmentStore } from "../lib/host/attachment-store.ts";
import { hostInterfaces } from "../lib/host/host-interfaces.ts";
import { createIptables, type Iptables } from "../lib/host/iptables.ts";
import { createNodeLock } from "../lib/host/node-lock.ts";
import { readRuntimeRulesCache } from "../lib/host/runtime-rules-cache.ts";
import { formatPass, parseRestoreChanges, type FamilyChanges } from "../lib/inspect/restore-changes.ts";
import { createNodeRunner } from "../watcher/node-runner.ts";
import { examples } from "./examples.ts";
import { jsonOption, stateOptions } from "./options.ts";
import { printJson, printText } from "./print.ts";
import { requireRoot } from "./require-root.ts";
import { createStderrLog } from "./stderr-log.ts";

export const command = "reconcile";
export const describe = "Make the kernel's chains what they should be, once, without Consul";

export function builder(yargs: Argv) {
  return jsonOption(stateOptions(yargs)).epilogue(
    [
      ...examples({
        "repairs what somebody flushed, removes what nobody needs": "$0 reconcile",
      }),
      "Desired is what this node has on record: its attachments, and the runtime rules",
      "that were cached last. Where none are cached, or not all of them can be read,",
      "nothing is removed.",
      "",
      "JSON: { attachments, isSettled,",
      "        changed: [{ family: 4|6, written: [chain], removed: [chain],",
      "                    anchored: [chain] }] }",
      "attachments is a number; isSettled false says that nothing was removed.",
    ].join("\n"),
  );
}

type ReconcileArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ stateDir, cacheDir, json }: ReconcileArguments): Promise<void> {
  requireRoot("reconcile");
  const log = createStderrLog();
  const path = process.env["PATH"];
  const lock = createNodeLock();
  const { iptables, changed } = recordChanges(createIptables({ path, inherited: lock.descriptor }));
  if (!iptables.has(4) && !iptables.has(6)) throw new Error("Cannot reconcile: iptables-restore is not installed");
  const store = createAttachmentStore(stateDir, { log });
  const runner = createNodeRunner({ iptables, store, interfaces: hostInterfaces, log, nowMs: Date.now });
  const outcome = await lock.run(async () => {
    const cacheLog = createStderrLog();
    // Under the lock: a watcher writes the cache before the kernel, and must not overtake us in between.
    const cached = readRuntimeRulesCache(cacheDir, { log: cacheLog, readOnly: true, nowMs: Date.now() });
    // Without the rules from KV every runtime deny would look like an orphan.
    const isSettled = cached !== undefined && !cacheLog.hasErrors();
    const { attachments } = await runner.pass({
      runtimeRules: cached ?? { node: "", ruleSets: [] },
      isSettled,
      isResync: true,
      isListing: true,
      onAttachments: () => {},
      persist: () => {},
    });
    return { attachments: attachments.length, isSettled, changed };
  });
  if (json) printJson(outcome);
  else printText(formatPass(outcome));
}

function recordChanges(iptables: Iptables): {
  readonly iptables: Iptables;
  readonly changed: readonly FamilyChanges[];
} {
  const changed: FamilyChanges[] = [];
  return {
    changed,
    iptables: {
      ...iptables,
      restore: async (family, text) => {
        const printed = await iptables.restore(family, text);
        changed.push({ family, ...parseRestoreChanges(text) });
        return printed;
      },
    },
  };
}
