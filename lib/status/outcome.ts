import type { ClusterStatus, RuleSetState } from "./cluster-status.ts";

/** States in which a rule set is where it should be. */
const GOOD: ReadonlySet<RuleSetState> = new Set(["in-force", "audit", "expired"]);

/** States that may pass by themselves. */
const PASSING: ReadonlySet<RuleSetState> = new Set(["pending", "unreported", "removing"]);

/** Whether a rule set in this state is where it should be. One that matches nothing is no fault among others. */
export function isWellPlaced(state: RuleSetState): boolean {
  return GOOD.has(state) || state === "unmatched";
}

/** Whether waiting would bring nothing: each rule set is in force, or cannot come to be. */
export function isSettled({ ruleSets, hidesStatuses }: ClusterStatus): boolean {
  return ruleSets.every(({ state }) => !PASSING.has(state) || (state === "unreported" && hidesStatuses));
}

/**
 * 0: each rule set is in force, audited or expired as it should be, on every node that it applies to. 1: one is not, or
 * that cannot be told; a key fits no scope. A rule set that applies to nothing is no fault among others.
 */
export function clusterExitCode(cluster: ClusterStatus): 0 | 1 {
  const { ruleSets, unknownKeys } = cluster;
  const isGood = ruleSets.every(({ state }) => isWellPlaced(state));
  return isGood && unknownKeys.length === 0 && isFullyReported(cluster) ? 0 : 1;
}

/** As `clusterExitCode`, for one rule set; 3: it applies to no allocation on any node. */
export function ruleSetExitCode(cluster: ClusterStatus): 0 | 1 | 3 {
  const [ruleSet] = cluster.ruleSets;
  if (!ruleSet || !isFullyReported(cluster)) return 1;
  if (ruleSet.state === "unmatched") return 3;
  return GOOD.has(ruleSet.state) ? 0 : 1;
}

/** For one rule set that KV no longer has. 0: no node has it any more. 1: one has, or that cannot be told. */
export function removalExitCode(cluster: ClusterStatus): 0 | 1 {
  return cluster.ruleSets.length === 0 && isFullyReported(cluster) ? 0 : 1;
}

/** Whether all that watchers say could be read and understood, and there is any. */
function isFullyReported({ nodes, unreadable, hidesStatuses }: ClusterStatus): boolean {
  return nodes.length > 0 && unreadable.length === 0 && !hidesStatuses;
}
