import type { Log } from "../lib/host/log.ts";
import type { AppliedAnswer } from "./snapshot.ts";

/** Says what an answer of Consul brought that cannot be used. */
export function logRejections({ rejections, unknownKeys }: Rejections, log: Log): void {
  for (const { key, modifyIndex, issues, keptModifyIndex } of rejections) {
    if (keptModifyIndex === undefined) {
      log.warn({ key, modifyIndex, issues }, "Rejected a rule set, nothing of it is in force");
    } else {
      log.warn(
        { key, modifyIndex, issues, keptModifyIndex },
        "Rejected a rule set, its last good version stays in force",
      );
    }
  }
  for (const { key, reason } of unknownKeys) log.warn({ key, reason }, "A key fits no scope");
}

type Rejections = Pick<AppliedAnswer, "rejections" | "unknownKeys">;
