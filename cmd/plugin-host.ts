import type { PluginHost } from "../lib/cni/ports.ts";
import { createAttachmentStore } from "../lib/host/attachment-store.ts";
import { createFileLog } from "../lib/host/file-log.ts";
import { hostInterfaces, isSameNetns, readUptime } from "../lib/host/host-interfaces.ts";
import { createIptables } from "../lib/host/iptables.ts";
import { createNodeLock } from "../lib/host/node-lock.ts";
import { readRuntimeRulesCache } from "../lib/host/runtime-rules-cache.ts";
import { keysOf } from "../lib/policy/scope.ts";

/** The plugin's ports on the real host. Whatever waits gives up when `signal` aborts. */
export function createPluginHost({ path, signal }: PluginHostOptions): PluginHost {
  return {
    isOwnNetns: (netns) => isSameNetns(netns, "/proc/self/ns/net"),
    open: ({ stateDir, cacheDir, logging }) => {
      const nowMs = Date.now;
      const lock = createNodeLock({ signal });
      const log = createFileLog({ directory: logging.enable ? logging.directory : undefined, nowMs });
      return {
        iptables: createIptables({ path, signal, isBlocking: true, inherited: lock.descriptor }),
        store: createAttachmentStore(stateDir, { log }),
        interfaces: hostInterfaces,
        log,
        withLock: lock.run,
        readRuntimeRules: (attachment) =>
          readRuntimeRulesCache(cacheDir, { log, readOnly: true, nowMs: nowMs(), choose: keysOf(attachment) }),
        nowMs,
        uptime: readUptime,
      };
    },
  };
}

export interface PluginHostOptions {
  readonly path: string | undefined;
  readonly signal: AbortSignal;
}
