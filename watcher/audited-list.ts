import type { ObservedConnection } from "../lib/observed/connection.ts";
import type { AuditedConnection } from "../lib/status/node-status.ts";

/** What a node tells of its audited rule sets. It changes only when something new is seen, and is bounded. */
export interface AuditedList {
  /** Takes a connection in, unless there are enough already; others than audited ones are passed over. */
  readonly add: (
    connection: Pick<ObservedConnection, "allocation" | "decision" | "protocol" | "destination" | "port">,
  ) => void;
  readonly remove: (isOver: (connection: Pick<ObservedConnection, "decision">) => boolean) => void;
  /** Sorted; the same list while nothing was added or removed. */
  readonly all: () => readonly AuditedConnection[];
}

/** All nodes' lists travel through Consul, and a scan must not fill it: the first ones stay. */
const MOST_OF_A_KEY = 20;
const MOST = 200;

export function createAuditedList(): AuditedList {
  const entries = new Map<string, Entry>();
  let sorted: readonly AuditedConnection[] = [];
  const sort = (): void => {
    sorted = [...entries].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([, { audited }]) => audited);
  };
  return {
    add({ allocation, decision, protocol, destination, port }) {
      if (decision.kind !== "audited" || entries.size >= MOST) return;
      const { key, wouldBe } = decision;
      const identity = JSON.stringify([key, wouldBe, allocation, protocol, destination, port ?? -1]);
      if (entries.has(identity)) return;
      const ofKey = [...entries.values()].filter(({ audited }) => audited.key === key);
      if (ofKey.length >= MOST_OF_A_KEY) return;
      const audited = { key, wouldBe, allocation, protocol, destination, ...(port !== undefined && { port }) };
      entries.set(identity, { decision, audited });
      sort();
    },
    remove(isOver) {
      const over = [...entries].filter(([, entry]) => isOver(entry));
      if (over.length === 0) return;
      for (const [identity] of over) entries.delete(identity);
      sort();
    },
    all: () => sorted,
  };
}

interface Entry {
  readonly decision: ObservedConnection["decision"];
  readonly audited: AuditedConnection;
}
