import { alignColumns, elide } from "../inspect/table.ts";
import { formatUnidentified } from "./describe-unidentified.ts";
import { toOneLine } from "../rules/one-line.ts";
import { wrap } from "../rules/wrap.ts";
import type { ClusterStatus, NodeSummary, RuleSetOnNode } from "./cluster-status.ts";

const MOST_NODES = 50;
const MOST_NAMED = 4;
const NAME_WIDTH = 36;
const VERSION_WIDTH = 16;

/** Every node that reports, those with a problem first. */
export function formatNodes({ nodes, unreadable }: ClusterStatus): readonly string[] {
  const ordered = nodes.toSorted((a, b) => Number(a.isInSync) - Number(b.isInSync));
  const shown = ordered.slice(0, MOST_NODES);
  const [heading = "", ...rows] = alignColumns([["NODE", "OUTBOUND", "IN SYNC", "ATTACHMENTS"], ...shown.map(cells)], {
    right: [3],
  });
  const left = ordered.length - shown.length;
  return [
    ...(shown.length > 0 ? [heading] : []),
    ...shown.flatMap(({ problems, unidentified = [] }, index) => [
      rows[index] ?? "",
      ...[...problems, ...unidentified.map(formatUnidentified)].map((line) =>
        wrap(`  ${toOneLine(line)}`, { indent: 4 }),
      ),
    ]),
    ...(left > 0 ? [`and ${left} more nodes: --json has them`] : []),
    ...unreadable.map(({ node, problem }) =>
      wrap(`${toOneLine(node)}: its status cannot be read: ${toOneLine(problem)}`, { indent: 2 }),
    ),
  ];
}

/** `n1, n2, n3, n4 and 12 more`. */
export function listNodes(nodes: readonly Pick<RuleSetOnNode, "node">[]): string {
  const shown = nodes.slice(0, MOST_NAMED).map(({ node }) => toOneLine(node));
  const left = nodes.length - shown.length;
  return `${shown.join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

function cells({ node, version, isInSync, attachments }: NodeSummary): readonly string[] {
  return [
    elide(toOneLine(node), NAME_WIDTH),
    elide(toOneLine(version), VERSION_WIDTH),
    isInSync ? "yes" : "NO",
    String(attachments),
  ];
}
