import type { Clock } from "../lib/host/clock.ts";
import type { KernelLog } from "../lib/host/kernel-log.ts";
import type { Log } from "../lib/host/log.ts";
import type { ObservedConnection } from "../lib/observed/connection.ts";
import { parseLogLine } from "../lib/observed/parse-log-line.ts";
import type { Attachment } from "../lib/policy/attachment.ts";
import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";
import { formatTimestamp } from "../lib/policy/timestamp.ts";
import type { AuditedConnection } from "../lib/status/node-status.ts";
import { attachmentsByAddress, attribute, auditedVersions } from "./attribute-packet.ts";
import type { Attributable, Attributed } from "./attribute-packet.ts";
import { createAuditedList } from "./audited-list.ts";
import { createConnectionLog } from "./connection-log.ts";

/** What the watcher knows when it looks into the kernel's log. */
export interface ObservedContext {
  readonly attachments: readonly Attachment[];
  readonly runtimeRules: RuntimeRules;
  /** Whether KV has been read; before that no rule set is taken for gone. */
  readonly isSettled: boolean;
}

/** Remembers the connections that the kernel says were denied, or would have been decided by audited rule sets. */
export interface Observed {
  /** Takes in what the kernel has logged since the last time. */
  readonly look: (context: ObservedContext) => void;
  /** What audited rule sets would have decided; the same list while nothing new is seen. */
  readonly audited: () => readonly AuditedConnection[];
  /** All kinds of connection that are remembered, the ones seen last at the end. */
  readonly connections: () => readonly ObservedConnection[];
  /** Writes down what is not yet, and lets go of the kernel's log. */
  readonly close: () => void;
}

export interface ObservedPorts {
  readonly kernelLog: KernelLog;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  readonly log: Log;
  readonly save: (connections: readonly ObservedConnection[]) => void;
}

/** Kinds of connection that are remembered; the ones not seen for longest make room. */
const MOST_KINDS = 1_000;
const SAVE_INTERVAL_MS = 5_000;

export function createObserved(start: readonly ObservedConnection[], ports: ObservedPorts): Observed {
  const { kernelLog, clock, log } = ports;
  /** The ones seen last come last. */
  const known = new Map<string, ObservedConnection>();
  const list = createAuditedList();
  const connectionLog = createConnectionLog({ clock, log });
  let before: Attributable = { byAddress: new Map(), audited: new Map() };
  let indexed: readonly Attachment[] = [];
  let pruned: RuntimeRules | undefined;
  let isSaved = true;
  let hasFailed = false;
  let savedAtMs = -Infinity;
  for (const connection of start.toSorted(bySeen).slice(-MOST_KINDS)) known.set(kindOf(connection), connection);
  // Those that were there first stay on the list.
  for (const connection of start.toSorted(byFirstSeen)) list.add(connection);

  return {
    look({ attachments, runtimeRules, isSettled }) {
      const byAddress = attachments === indexed ? before.byAddress : attachmentsByAddress(attachments);
      const now = { byAddress, audited: auditedVersions(runtimeRules, clock.nowMs()) };
      for (const line of kernelLog.read()) {
        const packet = parseLogLine(line);
        // What has only just gone may have been logged while it was there.
        const attributed = packet && (attribute(packet, now) ?? attribute(packet, before));
        if (attributed) observe(attributed);
      }
      connectionLog.end();
      before = now;
      indexed = attachments;
      if (isSettled && runtimeRules !== pruned) forgetOthers(now);
      if (isSettled) pruned = runtimeRules;
      if (!isSaved && clock.monotonicMs() - savedAtMs >= SAVE_INTERVAL_MS) save();
    },
    audited: list.all,
    connections: () => [...known.values()],
    close() {
      if (!isSaved) save();
      kernelLog.close();
    },
  };

  function observe(seen: Attributed): void {
    const kind = kindOf(seen);
    const earlier = known.get(kind);
    const lastSeen = formatTimestamp(clock.nowMs());
    const connection = {
      ...seen,
      firstSeen: earlier?.firstSeen ?? lastSeen,
      lastSeen,
      lines: (earlier?.lines ?? 0) + 1,
    };
    known.delete(kind);
    known.set(kind, connection);
    list.add(connection);
    connectionLog.tell(kind, connection);
    isSaved = false;
    for (const oldest of known.keys()) {
      if (known.size <= MOST_KINDS) break;
      known.delete(oldest);
      connectionLog.forget(oldest);
    }
  }

  /** What another version of a rule set would have decided, or one that is enforced by now, is no longer true. */
  function forgetOthers({ audited }: Attributable): void {
    const current = new Set([...audited.values()].map(({ key, modifyIndex }) => `${modifyIndex} ${key}`));
    const isOver = ({ decision }: Pick<ObservedConnection, "decision">): boolean =>
      decision.kind === "audited" && !current.has(`${decision.modifyIndex} ${decision.key}`);
    for (const [kind, connection] of known) {
      if (!isOver(connection)) continue;
      known.delete(kind);
      connectionLog.forget(kind);
      isSaved = false;
    }
    list.remove(isOver);
  }

  /** A full disk must not end the watcher; the next look tries again. */
  function save(): void {
    savedAtMs = clock.monotonicMs();
    try {
      ports.save([...known.values()]);
      isSaved = true;
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) log.error({ error: String(error) }, "Cannot keep the connections seen on disk");
      hasFailed = true;
    }
  }
}

function kindOf({ allocation, network, decision, protocol, destination, port }: Attributed): string {
  return JSON.stringify([allocation, network, decision, protocol, destination, port]);
}

function bySeen(left: ObservedConnection, right: ObservedConnection): number {
  return compare(left.lastSeen, right.lastSeen);
}

function byFirstSeen(left: ObservedConnection, right: ObservedConnection): number {
  return compare(left.firstSeen, right.firstSeen);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
