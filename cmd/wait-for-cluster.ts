import type { Clock } from "../lib/host/clock.ts";
import type { PrefixAnswer } from "../lib/host/consul.ts";
import {
  createFactsParser,
  readCluster,
  rulesPrefixOf,
  type ReadClusterPorts,
  type StatusQuestion,
} from "../lib/host/read-cluster.ts";
import { statusRoot } from "../lib/policy/roots.ts";
import { describeCluster, type ClusterStatus } from "../lib/status/cluster-status.ts";
import { isSettled } from "../lib/status/outcome.ts";
import { nextIndex } from "../watcher/query-index.ts";

export interface WaitOptions {
  /** How long to wait at most for what is asked about to be in force; 0: not at all. */
  readonly timeoutMs: number;
}

export interface WaitPorts extends ReadClusterPorts {
  readonly clock: Clock;
}

/** Nodes tell a change within a second of each other: to hear of each by itself would read all of them each time. */
const PAUSE_MS = 200;
const WAIT_SECONDS = 55;

/**
 * How it stands, as soon as waiting would bring nothing more: each rule set is in force wherever it applies, or cannot
 * come to be; or when the time is over. It asks Consul to tell when something changes.
 *
 * @throws ConsulError
 */
export async function waitForCluster(
  question: StatusQuestion,
  { timeoutMs }: WaitOptions,
  { clock, ...ports }: WaitPorts,
): Promise<ClusterStatus> {
  const toFacts = createFactsParser(question);
  let reading = await readCluster(question, ports);
  const describe = (): ClusterStatus =>
    describeCluster(toFacts(reading), { includes: includesOf(question), nowMs: clock.nowMs() });
  let cluster = describe();
  if (timeoutMs <= 0 || isSettled(cluster)) return cluster;

  const over = new AbortController();
  const signal = AbortSignal.any([ports.signal, over.signal]);
  let changed = Promise.withResolvers<void>();
  const take = (part: Partial<typeof reading>): void => {
    reading = { ...reading, ...part };
    changed.resolve();
  };
  const context = { clock, consul: ports.consul, signal };
  const following = [
    follow(
      { prefix: statusRoot(question.prefix), first: reading.statuses, onAnswer: (statuses) => take({ statuses }) },
      context,
    ),
    follow({ prefix: rulesPrefixOf(question), first: reading.rules, onAnswer: (rules) => take({ rules }) }, context),
  ];
  const timeUp = clock.sleep(timeoutMs, signal).then(() => true);
  try {
    for (;;) {
      const isOver = await Promise.race([changed.promise.then(() => false), timeUp, ...following]);
      changed = Promise.withResolvers<void>();
      cluster = describe();
      if (isOver || isSettled(cluster)) return cluster;
    }
  } finally {
    over.abort();
    await Promise.allSettled([...following, timeUp]);
  }
}

function includesOf({ key: named, start }: StatusQuestion): (key: string) => boolean {
  return (key) => (named === undefined ? key.startsWith(start) : key === named);
}

interface Followed {
  readonly prefix: string;
  readonly first: PrefixAnswer;
  readonly onAnswer: (answer: PrefixAnswer) => void;
}

/** Ends only by failing: when the signal aborts, too. */
async function follow({ prefix, first, onAnswer }: Followed, { consul, clock, signal }: WaitPorts): Promise<never> {
  let index = nextIndex(0n, first.index);
  for (;;) {
    const answer = await consul.readPrefix({ prefix, index, waitSeconds: WAIT_SECONDS, consistent: false, signal });
    index = nextIndex(index, answer.index);
    onAnswer(answer);
    await clock.sleep(PAUSE_MS, signal);
  }
}
