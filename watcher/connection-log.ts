import type { Clock } from "../lib/host/clock.ts";
import type { Log, LogFields } from "../lib/host/log.ts";
import type { ObservedConnection } from "../lib/observed/connection.ts";

/** Logs connections for people, and no more of them than people can read. */
export interface ConnectionLog {
  readonly tell: (kind: string, connection: ObservedConnection) => void;
  /** Says how many were left out. */
  readonly end: () => void;
  readonly forget: (kind: string) => void;
}

/** The same kind of connection is told again after this time, if it is seen again. */
const REPEAT_MS = 600_000;
const MOST_A_SECOND = 20;

export function createConnectionLog({ clock, log }: ConnectionLogPorts): ConnectionLog {
  const toldAtMs = new Map<string, number>();
  let second = { startMs: -Infinity, told: 0 };
  let leftOut = 0;
  return {
    tell(kind, connection) {
      const nowMs = clock.monotonicMs();
      if (nowMs - (toldAtMs.get(kind) ?? -Infinity) < REPEAT_MS) return;
      if (nowMs - second.startMs >= 1000) second = { startMs: nowMs, told: 0 };
      if (second.told >= MOST_A_SECOND) {
        leftOut++;
        return;
      }
      second.told++;
      toldAtMs.set(kind, nowMs);
      log.info(fieldsOf(connection), MESSAGES[outcomeOf(connection)]);
    },
    end() {
      if (leftOut > 0) log.warn({ leftOut, mostASecond: MOST_A_SECOND }, "Too many connections to log them all");
      leftOut = 0;
    },
    forget: (kind) => void toldAtMs.delete(kind),
  };
}

interface ConnectionLogPorts {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
}

type Outcome = "denied" | "would-deny" | "would-accept";

const MESSAGES: Readonly<Record<Outcome, string>> = {
  denied: "Denied a connection",
  "would-deny": "An audited rule set would have denied a connection",
  "would-accept": "An audited rule set would have accepted a connection",
};

function outcomeOf({ decision }: ObservedConnection): Outcome {
  if (decision.kind === "denied") return "denied";
  return decision.wouldBe === "denied" ? "would-deny" : "would-accept";
}

function fieldsOf({ decision, ...fields }: ObservedConnection): LogFields {
  return { ...fields, ...(decision.kind === "audited" && { key: decision.key }) };
}
