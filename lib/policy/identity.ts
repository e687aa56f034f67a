import type { Identity } from "./attachment.ts";

/** Whether all is known that an allocation's scopes are made of. */
export function isIdentified({ namespace = "", job = "", group = "" }: Identity): boolean {
  return namespace !== "" && job !== "" && group !== "";
}

/**
 * What was told, with what was not told taken from what is known from elsewhere. Undefined where the two contradict each
 * other: half of one and half of the other is nobody's identity.
 */
export function completeIdentity(told: Identity, known: Identity): Identity | undefined {
  const completed = { ...known, ...told };
  return FIELDS.every((field) => known[field] === undefined || completed[field] === known[field])
    ? completed
    : undefined;
}

const FIELDS = ["region", "namespace", "job", "group"] as const;
