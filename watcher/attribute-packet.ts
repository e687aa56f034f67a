import { keyDigest } from "../lib/netfilter/log-prefix.ts";
import type { ObservedConnection } from "../lib/observed/connection.ts";
import type { LoggedPacket } from "../lib/observed/parse-log-line.ts";
import type { Attachment } from "../lib/policy/attachment.ts";
import { isInForce } from "../lib/policy/rule-set.ts";
import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";

/** A connection as one line of the kernel's log tells of it. */
export type Attributed = Omit<ObservedConnection, "firstSeen" | "lastSeen" | "lines">;

/** What packets can be told of. */
export interface Attributable {
  readonly byAddress: ReadonlyMap<string, readonly Attachment[]>;
  /** Audited rule sets by the digest of their key. */
  readonly audited: ReadonlyMap<string, AuditedVersion>;
}

export interface AuditedVersion {
  readonly key: string;
  readonly modifyIndex: number;
}

export function auditedVersions({ ruleSets }: RuntimeRules, nowMs: number): ReadonlyMap<string, AuditedVersion> {
  const audited = ruleSets.filter(({ ruleSet }) => ruleSet.mode === "audit" && isInForce(ruleSet, nowMs));
  return new Map(audited.map(({ key, modifyIndex }) => [keyDigest(key), { key, modifyIndex }]));
}

export function attachmentsByAddress(attachments: readonly Attachment[]): Attributable["byAddress"] {
  const pairs = attachments.flatMap((attachment) => attachment.addresses.map((address) => ({ address, attachment })));
  const grouped = Map.groupBy(pairs, ({ address }) => address);
  return new Map([...grouped].map(([address, own]) => [address, own.map(({ attachment }) => attachment)]));
}

/** Whose packet it was, and what decided it; undefined where that is not known here. */
export function attribute(packet: LoggedPacket, known: Attributable): Attributed | undefined {
  const decision = decisionOf(packet, known);
  const attachment = attachmentOf(packet, known);
  if (!decision || !attachment) return undefined;
  const { namespace, job, group } = attachment.identity;
  const { protocol, destination, port } = packet;
  return {
    allocation: attachment.containerId,
    network: attachment.network,
    ...(namespace !== undefined && { namespace }),
    ...(job !== undefined && { job }),
    ...(group !== undefined && { group }),
    decision,
    protocol,
    destination,
    ...(port !== undefined && { port }),
  };
}

function decisionOf({ as }: LoggedPacket, { audited }: Attributable): Attributed["decision"] | undefined {
  if (as.kind === "denied") return { kind: "denied" };
  const version = audited.get(as.digest);
  return version && { kind: "audited", wouldBe: as.wouldBe, ...version };
}

/**
 * By the source address; of several attachments that had it, the one whose interface the packet came in through, or
 * the newest. A denied packet's prefix says whose it is besides.
 */
function attachmentOf({ as, source, interfaces }: LoggedPacket, { byAddress }: Attributable): Attachment | undefined {
  const candidates = (byAddress.get(source) ?? []).filter(
    ({ containerId }) => as.kind !== "denied" || containerId.startsWith(as.allocationStart),
  );
  return (
    candidates.find(({ hostInterface }) => hostInterface && interfaces.includes(hostInterface.name)) ??
    candidates.toSorted((left, right) => right.sequence - left.sequence)[0]
  );
}
