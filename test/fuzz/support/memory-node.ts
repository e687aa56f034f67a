import { mkdtempSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runPlugin, type PluginOutcome } from "../../../lib/cni/run.ts";
import type { PluginHost } from "../../../lib/cni/ports.ts";
import type { Environment } from "../../../lib/cni/environment.ts";
import { createAttachmentStore, type AttachmentStore } from "../../../lib/host/attachment-store.ts";
import type { HostInterfaces } from "../../../lib/host/host-interfaces.ts";
import { IptablesError } from "../../../lib/host/iptables-error.ts";
import type { Iptables } from "../../../lib/host/iptables.ts";
import { createCompiler } from "../../../lib/netfilter/compile-node.ts";
import type { Family } from "../../../lib/policy/address.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { sweep } from "../../../lib/sweep.ts";
import { createFakeIptables } from "../../fakes/fake-iptables.ts";
import { createMemoryLog } from "../../fakes/log.ts";

/** A node without a kernel: its tables are a state machine, its records are in memory-backed files. */
export interface MemoryNode {
  readonly iptables: Iptables;
  readonly store: AttachmentStore;
  /**
   * One run of the plugin, as the executable makes it. Where it says that the kernel keeps what a failed ADD has changed,
   * the watcher's next pass puts it right, on a kernel that takes it.
   */
  readonly run: (env: Environment, stdin: string) => Promise<PluginOutcome>;
  readonly close: () => void;
}

export interface MemoryNodeOptions {
  readonly runtimeRules: RuntimeRules | undefined;
  readonly nowMs: number;
  readonly families: readonly Family[];
  /** Which transactions the kernel refuses, counted from 0. */
  readonly refuses: (transaction: number) => boolean;
}

export function createMemoryNode({ runtimeRules, nowMs, families, refuses }: MemoryNodeOptions): MemoryNode {
  const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "cni-outbound-fuzz-"));
  const log = createMemoryLog();
  const kernel = createFakeIptables({ families });
  const iptables = refusing(kernel, refuses);
  const store = createAttachmentStore(directory, { log });
  let uptime = 0;
  const host: PluginHost = {
    isOwnNetns: (path) => path === "/proc/self/ns/net",
    open: () => ({
      iptables,
      store,
      interfaces,
      log,
      withLock: (work) => work(),
      readRuntimeRules: () => runtimeRules,
      nowMs: () => nowMs,
      uptime: () => (uptime += 1),
    }),
  };
  const pass = async (): Promise<void> => {
    for (const family of families) {
      const input = { runtimeRules: runtimeRules ?? { node: "", ruleSets: [] }, nowMs };
      const node = createCompiler(family).compileNode(store.list().attachments, input);
      await sweep(family, { node, gone: new Set(), interfaces, iptables: kernel, log });
    }
  };
  return {
    iptables,
    store,
    run: async (env, stdin) => {
      const known = log.lines.length;
      const outcome = await runPlugin({ env, readStdin: () => stdin, version: "0.1.0" }, host);
      if (log.lines.slice(known).some(({ message }) => message === NOT_PUT_BACK)) await pass();
      return outcome;
    },
    close: () => rmSync(directory, { recursive: true }),
  };
}

const NOT_PUT_BACK = "Cannot put back what a failed ADD has changed";

/** Bridges and uplinks have no peer; what begins like a veth is plugged into the bridge. */
const interfaces: HostInterfaces = {
  exists: () => true,
  names: () => new Set(),
  mayHavePeer: (name) => !["cni0", "lo", "eth0"].includes(name),
  isBridgePort: (name) => name.startsWith("veth"),
  hasFamily: () => true,
  netnsState: () => "unknown",
};

function refusing(iptables: Iptables, refuses: (transaction: number) => boolean): Iptables {
  let count = 0;
  return {
    ...iptables,
    restore: async (family, text) => {
      if (!refuses(count++)) return iptables.restore(family, text);
      throw new IptablesError("iptables-restore failed: the fake is told to refuse", { stdout: "", input: text });
    },
  };
}
