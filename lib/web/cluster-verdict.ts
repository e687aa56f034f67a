import type { ClusterStatus } from "../status/cluster-status.ts";
import { describeDoubts } from "../status/format-cluster.ts";
import { isWellPlaced } from "../status/outcome.ts";
import { html, type Child } from "./html.ts";
import type { Verdict } from "./layout.ts";
import { moment, name, number, plural } from "./words.ts";

/** What Consul said when it was asked last. */
export interface ClusterView {
  /** Undefined before Consul has answered once. */
  readonly cluster: ClusterStatus | undefined;
  /** When that was. */
  readonly atMs: number | undefined;
  /** Why it could not be asked now. */
  readonly problem: string | undefined;
}

/** How it stands with the cluster: the worst first. What is old is not said to be so now. */
export function judgeCluster({ cluster, atMs, problem }: ClusterView, nowMs: number): Verdict {
  const asked: readonly Child[] = problem === undefined ? [] : [name(problem, 400)];
  if (cluster === undefined) return { level: "bad", title: "Consul cannot be asked", lines: asked };
  const doubts = [...describeDoubts(cluster), ...describeFaults(cluster)];
  if (problem !== undefined) {
    const age = atMs === undefined ? undefined : html`What follows is what it said ${moment(atMs, nowMs)}`;
    return { level: "bad", title: "Consul cannot be asked", lines: [...asked, age, ...doubts] };
  }
  const { nodes } = cluster;
  if (nodes.length === 0) return { level: "bad", title: "No node tells of itself", lines: doubts };
  if (nodes.some(({ isInSync }) => !isInSync))
    return { level: "bad", title: "Not every node is in sync", lines: doubts };
  if (doubts.length > 0) return { level: "warn", title: "Every node is in sync, but not all is well", lines: doubts };
  const well = "Every rule set that matches an allocation is in force where it should be.";
  return { level: "good", title: "Every node is in sync", lines: [well] };
}

function describeFaults({ nodes, ruleSets, unknownKeys, unreadable }: ClusterStatus): readonly string[] {
  const out = nodes.filter(({ isInSync }) => !isInSync).length;
  const bad = ruleSets.filter(({ state }) => !isWellPlaced(state)).length;
  return [
    ...(out > 0 ? [`${number(out)} of ${plural(nodes.length, "node")} ${out === 1 ? "is" : "are"} not in sync`] : []),
    ...(bad > 0 ? [`${plural(bad, "rule set is", "rule sets are")} not in force everywhere as in KV`] : []),
    ...(unknownKeys.length > 0 ? [`${plural(unknownKeys.length, "key in KV fits", "keys in KV fit")} no scope`] : []),
    ...(unreadable.length > 0
      ? [`${plural(unreadable.length, "node's status", "nodes' statuses")} cannot be read`]
      : []),
  ];
}
