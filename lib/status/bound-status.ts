import { formatNodeStatus, type LeftOut, type NodeStatus } from "./node-status.ts";

/** Consul takes 512 KiB as one value, and all nodes' together are one answer. */
const LARGEST_BYTES = 400 * 1024;

/** What can be done without goes first; the allocations of a node last. */
const ORDER: readonly LeftOut[] = ["audited", "issues", "rejections", "policies", "ruleSets", "groups"];

/** As a KV key holds it, at most 400 KiB: where there is more to say, parts are left out, and it says so. */
export function formatBoundedStatus(status: NodeStatus): string {
  let bounded = status;
  for (const leftOut of ORDER.map((_, index) => ORDER.slice(0, index + 1))) {
    const text = formatNodeStatus(bounded);
    if (isSmallEnough(text)) return text;
    bounded = leaveOut(status, leftOut);
  }
  return formatNodeStatus(bounded);
}

function isSmallEnough(text: string): boolean {
  return new TextEncoder().encode(text).byteLength <= LARGEST_BYTES;
}

function leaveOut(status: NodeStatus, leftOut: readonly LeftOut[]): NodeStatus {
  const isOut = (part: LeftOut): boolean => leftOut.includes(part);
  const { problems, policies, groups, ruleSets, rejections, audited } = status;
  const remaining = isOut("rejections") ? [] : rejections;
  return {
    ...status,
    leftOut,
    problems: [...problems, `too much to tell, left out: ${leftOut.join(", ")}`],
    policies: isOut("policies") ? [] : policies,
    groups: isOut("groups") ? [] : groups,
    ruleSets: isOut("ruleSets") ? [] : ruleSets,
    rejections: isOut("issues") ? remaining.map((each) => ({ ...each, issues: [] })) : remaining,
    audited: isOut("audited") ? [] : audited,
  };
}
