import type { ObservedConnection } from "../../../lib/observed/connection.ts";

/** Of the allocation that `attachmentWith` attaches, once, at the start of the epoch. */
export function connection(changes: Partial<ObservedConnection> = {}): ObservedConnection {
  const seen = "1970-01-01T00:00:00.000Z";
  return {
    allocation: "8f1c2b3a-1111-2222-3333-444455556666",
    network: "egress",
    decision: { kind: "denied" },
    protocol: "tcp",
    destination: "192.0.2.1",
    firstSeen: seen,
    lastSeen: seen,
    lines: 1,
    ...changes,
  };
}

export function auditedBy(key: string, changes: { readonly wouldBe?: "accepted"; readonly modifyIndex?: number } = {}) {
  return { kind: "audited", wouldBe: "denied", key, modifyIndex: 1, ...changes } as const;
}
