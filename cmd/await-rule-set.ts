import { systemClock } from "../lib/host/clock.ts";
import type { ClusterStatus } from "../lib/status/cluster-status.ts";
import { formatRuleSetStatus } from "../lib/status/format-rule-set.ts";
import { removalExitCode, ruleSetExitCode } from "../lib/status/outcome.ts";
import { toOneLine } from "../lib/rules/one-line.ts";
import { wrap } from "../lib/rules/wrap.ts";
import type { ConsulSession } from "./consul-session.ts";
import { waitForCluster } from "./wait-for-cluster.ts";

export interface AwaitedRuleSet {
  /** What all keys in KV start with: `outbound`. */
  readonly prefix: string;
  /** Below `<prefix>/rules/`. */
  readonly key: string;
  /** `put`: until the version in KV is in force wherever it applies. `removed`: until no node has it any more. */
  readonly change: "put" | "removed";
  readonly timeoutMs: number;
}

export interface AwaitedOutcome {
  /** As `outbound status <key> --json`. */
  readonly cluster: ClusterStatus;
  /** For people, at most 80 columns wide. */
  readonly text: string;
  /** As that of `outbound status <key>`; for `removed`, 0: it is gone everywhere, 1: not so, or not known. */
  readonly exitCode: 0 | 1 | 3;
}

/**
 * What became of a rule set after it was written or removed, as soon as waiting would bring nothing more.
 *
 * @throws ConsulError
 */
export async function awaitRuleSet(
  { prefix, key, change, timeoutMs }: AwaitedRuleSet,
  session: Pick<ConsulSession, "consul" | "signal">,
): Promise<AwaitedOutcome> {
  const cluster = await waitForCluster({ prefix, key, start: key }, { timeoutMs }, { ...session, clock: systemClock });
  const exitCode = change === "put" ? ruleSetExitCode(cluster) : removalExitCode(cluster);
  const isGone = change === "removed" && exitCode === 0;
  const text = isGone
    ? `Gone from every node that reports: ${cluster.nodes.map(({ node }) => toOneLine(node)).join(", ")}`
    : formatRuleSetStatus(cluster, { key, nowMs: systemClock.nowMs() });
  return { cluster, text: isGone ? wrap(text, { indent: 2 }) : text, exitCode };
}
