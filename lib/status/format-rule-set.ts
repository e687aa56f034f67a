import { describeIdentity } from "../inspect/describe.ts";
import { alignColumns, elide } from "../inspect/table.ts";
import { describeIssue } from "../rules/entry.ts";
import { toOneLine } from "../rules/one-line.ts";
import { describeTime } from "../rules/rule-set-diff.ts";
import { wrap } from "../rules/wrap.ts";
import type { AuditedOnNode, ClusterStatus, RuleSetOnNode, RuleSetStatus } from "./cluster-status.ts";
import { describeDuration } from "./describe-duration.ts";
import { describeNoMatch, formatDoubts, STATE_WORDS } from "./format-cluster.ts";
import { formatNodes } from "./format-nodes.ts";

const MOST_NODES = 50;
const NODE_WIDTH = 29;
const MOST_ISSUES = 20;

/** Everything about one rule set, in lines of at most 80 columns. */
export function formatRuleSetStatus(
  cluster: ClusterStatus,
  { key, nowMs }: { readonly key: string; readonly nowMs: number },
): string {
  const ruleSet = cluster.ruleSets.find((each) => each.key === key);
  const sections = [
    ruleSet
      ? [
          wrap(toOneLine(key), { indent: 2 }),
          ...describeFacts(ruleSet, nowMs).map((line) => wrap(`  ${line}`, { indent: 4 })),
        ]
      : [wrap(`There is no rule set ${toOneLine(key)}: KV has none, and no node that reports has it`, { indent: 2 })],
    ruleSet ? formatOnNodes(ruleSet.nodes) : [],
    ruleSet ? ruleSet.audited.map((each) => wrap(describeAudited(each), { indent: 2 })) : [],
    formatNodes({ ...cluster, nodes: cluster.nodes.filter(({ isInSync }) => !isInSync) }),
    formatDoubts(cluster),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

/** `would have denied: alloc 8f1c2d3e default/web/app → tcp 10.1.2.3:443`. */
function describeAudited(audited: AuditedOnNode): string {
  const { wouldBe, allocation, protocol, destination, port } = audited;
  const address = port !== undefined && destination.includes(":") ? `[${destination}]` : destination;
  const target = port === undefined ? address : `${address}:${port}`;
  const who = `alloc ${allocation.slice(0, 8)} ${describeIdentity(audited)}`;
  return toOneLine(`would have ${wouldBe}: ${who} → ${protocol} ${target}`);
}

function describeFacts(ruleSet: RuleSetStatus, nowMs: number): readonly string[] {
  const { state, modifyIndex, nodes, attachments, issues, expiresAt, mode } = ruleSet;
  const applied = nodes.filter((node) => node.state === "applied").length;
  const total = `${count(nodes.length, "node")}, ${count(attachments, "attachment")}`;
  const where = nodes.length === 0 ? "" : `, on ${applied} of ${total}`;
  const version = modifyIndex === null ? `gone from KV, still in force on ${total}` : `version ${modifyIndex}${where}`;
  return [
    `${STATE_WORDS[state]}: ${version}`,
    ...(state === "unmatched" ? [describeNoMatch(ruleSet)] : []),
    ...(state === "rejected" ? [describeRejection(nodes)] : []),
    ...issues.slice(0, MOST_ISSUES).map((issue) => `! ${toOneLine(describeIssue(issue))}`),
    ...(mode === "audit" ? ["mode audit: it counts, and decides nothing"] : []),
    ...(expiresAt === null ? [] : [describeExpiry(Date.parse(expiresAt), nowMs)]),
  ];
}

function describeRejection(nodes: readonly RuleSetOnNode[]): string {
  const isKept = nodes.some(({ modifyIndex }) => modifyIndex !== null);
  return isKept ? "the last good version stays in force" : "no earlier version is in force";
}

function describeExpiry(expiresAtMs: number, nowMs: number): string {
  const time = describeTime(expiresAtMs);
  if (expiresAtMs > nowMs) return `expires at ${time}, in ${describeDuration(expiresAtMs - nowMs)}`;
  return `expired at ${time}, ${describeDuration(nowMs - expiresAtMs)} ago`;
}

/** Those that do not have the version in KV first. */
function formatOnNodes(nodes: readonly RuleSetOnNode[]): readonly string[] {
  if (nodes.length === 0) return [];
  const ordered = nodes.toSorted((a, b) => Number(a.state === "applied") - Number(b.state === "applied"));
  const left = ordered.length - MOST_NODES;
  const rows = ordered
    .slice(0, MOST_NODES)
    .map(({ node, attachments, state, modifyIndex, has }) => [
      elide(toOneLine(node), NODE_WIDTH),
      String(attachments),
      modifyIndex === null ? "none" : String(modifyIndex),
      has === null ? (state === "rejected" ? "REJECTED" : "PENDING") : `${STATE_WORDS[has]}${SUFFIXES[state]}`,
    ]);
  return [
    ...alignColumns([["NODE", "ATTACHMENTS", "VERSION", "STATE"], ...rows], { right: [1, 2] }),
    ...(left > 0 ? [`and ${left} more nodes: --json has them`] : []),
  ];
}

const SUFFIXES: Readonly<Record<RuleSetOnNode["state"], string>> = {
  applied: "",
  pending: ", PENDING",
  rejected: ", newer REJECTED",
};

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
