import { toOneLine } from "../rules/one-line.ts";
import type { Deviation, OutOfStep } from "./out-of-step.ts";

const MOST_NODES = 3;

/** What keeps a plan from knowing what it changes: nodes have another version of the planned rule set than KV. */
export function describePlannedOutOfStep(found: OutOfStep): string {
  const fact = describeFact(found, { what: "this rule set", notInKv: "which KV does not have" });
  if (found.modifyIndex === null || found.comparedWith === "in-force")
    return `${fact}: ${COMPARED[found.comparedWith]}`;
  return `${fact}: what it decides there now is not known here, so this is ${COMPARED[found.comparedWith]}`;
}

/** The same of another rule set. */
export function describeOutOfStep(found: OutOfStep): string {
  const fact = describeFact(found, { what: toOneLine(found.key), notInKv: "which is not seen in KV" });
  return `${fact}: ${COMPARED[found.comparedWith]}`;
}

/** `n1, n2, n3 and 12 more`. */
export function listNodes(nodes: readonly string[]): string {
  const left = nodes.length - MOST_NODES;
  return `${nodes.slice(0, MOST_NODES).map(toOneLine).join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

const COMPARED: Readonly<Record<Deviation["comparedWith"], string>> = {
  kv: "compared with KV's",
  nothing: "compared without it",
  "in-force": "compared with that version, which the cache of this node has",
};

interface Words {
  readonly what: string;
  readonly notInKv: string;
}

function describeFact(found: OutOfStep, { what, notInKv }: Words): string {
  const { why, nodes, modifyIndex, kvModifyIndex, isPassing } = found;
  const isOne = nodes.length === 1;
  const [has, keeps] = isOne ? ["has", "keeps"] : ["have", "keep"];
  const who = listNodes(nodes);
  const version = `version ${modifyIndex} of ${what} in force`;
  const ofKv = `version ${kvModifyIndex}`;
  switch (why) {
    case "invalid-in-kv":
      return `${who} ${keeps} ${version}, as ${ofKv} in KV is no rule set`;
    case "not-in-kv":
      return `${who} still ${has} ${version}, ${notInKv}`;
    case "refused": {
      const kept = modifyIndex === null ? "" : `, and ${keeps} version ${modifyIndex} in force`;
      return `${who} ${isOne ? "refuses" : "refuse"} ${ofKv} of ${what}${kept}`;
    }
    case "not-in-force":
      return `${who} ${isOne ? "does" : "do"} not have ${ofKv} of ${what} in force${isPassing ? " yet" : ""}`;
    case "other-version": {
      if ((modifyIndex ?? 0) > (kvModifyIndex ?? 0)) {
        return `${who} already ${has} ${version}, and KV had ${ofKv} when it was read`;
      }
      return `${who} still ${has} ${version}, ${isPassing ? `and not ${ofKv} of KV yet` : `not ${ofKv} of KV`}`;
    }
  }
}
