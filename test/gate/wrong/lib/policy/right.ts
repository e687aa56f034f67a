import { createHash } from "node:crypto";
import type { Clock } from "../host/clock.ts";

export const actions = ["ACCEPT", "DROP"] as const;

export function hashAt(clock: Clock): string {
  return createHash("sha512").update(new Date(clock.nowMs()).toISOString()).digest("hex");
}
