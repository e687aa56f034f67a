import { createHash } from "node:crypto";

/** What a line in the kernel's log was written for. */
export type LoggedAs =
  /** The default action stopped it; the allocation is known by the start of its id. */
  | { readonly kind: "denied"; readonly allocationStart: string }
  /** An audited rule set would have decided it; its key is known by `keyDigest`. */
  | { readonly kind: "audited"; readonly wouldBe: "accepted" | "denied"; readonly digest: string };

/** What our lines in the kernel's log start with. */
export const LOG_PREFIX = "outbound ";

/** A prefix has 29 bytes (xt_LOG): room for half of an allocation's id, which is enough to find it by. */
const ID_CHARACTERS = 18;
const SIGNS = { denied: "!", accepted: "+" } as const;

/** The prefix of lines about what an attachment's default action stops. */
export function deniedPrefix(containerId: string): string {
  return `${LOG_PREFIX}${containerId.slice(0, ID_CHARACTERS)}: `;
}

/** The prefix of lines about what an audited rule set would have decided. No id of an allocation has its sign. */
export function auditPrefix(wouldBe: "accepted" | "denied", key: string): string {
  return `${LOG_PREFIX}${SIGNS[wouldBe]}${keyDigest(key)}: `;
}

/** What the kernel's log knows a KV key by: 16 hex digits. */
export function keyDigest(key: string): string {
  return createHash("sha256").update(key, "utf8").digest("hex").slice(0, 16);
}

/** Takes our prefix from a line of the kernel's log; undefined where the line is somebody else's. */
export function readLogPrefix(line: string): { readonly as: LoggedAs; readonly rest: string } | undefined {
  const [prefix, sign, digest = "", allocationStart = ""] =
    /^outbound (?:([!+])([0-9a-f]{16})|([A-Za-z0-9][A-Za-z0-9_.-]{0,17})): /.exec(line) ?? [];
  if (prefix === undefined) return undefined;
  const rest = line.slice(prefix.length);
  if (sign === undefined) return { as: { kind: "denied", allocationStart }, rest };
  return { as: { kind: "audited", wouldBe: sign === SIGNS.denied ? "denied" : "accepted", digest }, rest };
}
