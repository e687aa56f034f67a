import type { AttachmentStore } from "../host/attachment-store.ts";
import type { HostInterfaces } from "../host/host-interfaces.ts";
import type { Iptables } from "../host/iptables.ts";
import type { Log } from "../host/log.ts";
import type { RuntimeRules } from "../policy/runtime-rules.ts";
import type { ScopedAttachment } from "../policy/scope.ts";
import type { Logging } from "./config.ts";

/** The world as a verb sees it. */
export interface PluginPorts {
  readonly iptables: Iptables;
  readonly store: AttachmentStore;
  readonly interfaces: HostInterfaces;
  readonly log: Log;
  /** Runs `work` while nothing else of ours changes this node's chains. */
  readonly withLock: <T>(work: () => Promise<T>) => Promise<T>;
  /** What the last good snapshot, if there is one, has for an attachment: a node may know thousands of rule sets. */
  readonly readRuntimeRules: (attachment: ScopedAttachment) => RuntimeRules | undefined;
  readonly nowMs: () => number;
  /** Centiseconds since the machine started. */
  readonly uptime: () => number;
}

/** Opens the ports that a configuration names. */
export interface PluginHost {
  readonly open: (settings: PluginSettings) => PluginPorts;
  /** Whether a network namespace is the plugin's own; false where it cannot be opened. */
  readonly isOwnNetns: (path: string) => boolean;
}

export interface PluginSettings {
  readonly stateDir: string;
  readonly cacheDir: string;
  readonly logging: Logging;
}
