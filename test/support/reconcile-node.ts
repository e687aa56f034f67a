import { createAttachmentStore } from "../../lib/host/attachment-store.ts";
import { hostInterfaces } from "../../lib/host/host-interfaces.ts";
import { createIptables } from "../../lib/host/iptables.ts";
import { withNodeLock } from "../../lib/host/lock.ts";
import { silentLog as log } from "../../lib/host/log.ts";
import { readRuntimeRulesCache } from "../../lib/host/runtime-rules-cache.ts";
import { createNodeRunner } from "../../watcher/node-runner.ts";

/** One pass of the watcher's runner in this process's network namespace. Usage: reconcile-node.ts stateDir cacheDir */
const [, , stateDir = "", cacheDir = ""] = process.argv;
const runtimeRules = readRuntimeRulesCache(cacheDir, { log, readOnly: true });
if (!runtimeRules) throw new Error(`Cannot reconcile: no runtime rules in ${cacheDir}`);
const runner = createNodeRunner({
  iptables: createIptables({ path: process.env["PATH"] }),
  store: createAttachmentStore(stateDir, { log }),
  interfaces: hostInterfaces,
  log,
  nowMs: Date.now,
});
const pass = () =>
  runner.pass({ runtimeRules, isSettled: true, isResync: true, onAttachments: () => {}, persist: () => {} });
await withNodeLock(pass, { signal: AbortSignal.timeout(30_000) });
