import type { Attachment } from "../lib/policy/attachment.ts";
import type { Unidentified } from "../lib/policy/identity-problem.ts";
import type { RuntimeContext } from "../lib/policy/runtime-rules.ts";
import type { AuditedConnection } from "../lib/status/node-status.ts";
import type { PrefixState } from "./prefix-state.ts";
import type { Snapshot } from "./snapshot.ts";

/** How it stands with a watcher, for health checks, metrics and people. */
export interface WatchState {
  readonly snapshot: Snapshot;
  readonly prefixes: readonly PrefixState[];
  /** Every needed prefix has been read, the last try to read each went well, and the last pass too. */
  readonly isInSync: boolean;
  /** What is wrong with this node itself, for people. */
  readonly problem?: string;
  readonly attachments: readonly Attachment[];
  /** What the last good pass put into the kernel, and when it began; undefined before the first. */
  readonly applied: RuntimeContext | undefined;
  /** What audited rule sets would have decided; the same list while nothing new is seen. */
  readonly audited: readonly AuditedConnection[];
  /** Attachments whose identity is not known. */
  readonly unidentified: readonly Unidentified[];
}
