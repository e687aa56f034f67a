import type { Clock } from "../../lib/host/clock.ts";
import type { Consul } from "../../lib/host/consul.ts";
import {
  createFactsParser,
  readCluster,
  type ClusterReading,
  type StatusQuestion,
} from "../../lib/host/read-cluster.ts";
import { describeCluster, type ClusterStatus } from "../../lib/status/cluster-status.ts";
import type { ClusterView } from "../../lib/web/cluster-verdict.ts";
import type { RequestLimit } from "../request-limit.ts";
import { problemOf } from "../status-failures.ts";
import { createSharedReading, type SharedReading } from "./shared-reading.ts";

export interface ClusterReadingPorts {
  readonly consul: Pick<Consul, "readPrefix" | "checkReadable">;
  readonly limit: RequestLimit;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const FRESH_MS = 5_000;
/** Somebody waits for the page. */
const TIMEOUT_MS = 5_000;
/** Entries that are parsed before others have their turn: a thousand nodes' statuses are megabytes. */
const SLICE = 20;

/**
 * What all nodes say, at most five seconds ago, however many ask. Where Consul does not answer in time, what it said
 * before, and why not.
 */
export function createClusterReading(
  { prefix }: Pick<StatusQuestion, "prefix">,
  { consul, limit, clock, signal }: ClusterReadingPorts,
): SharedReading<ClusterView> {
  let toFacts = createFactsParser({ prefix });
  let known: { readonly cluster: ClusterStatus; readonly atMs: number } | undefined;
  return createSharedReading(read, {
    freshMs: FRESH_MS,
    clock,
    signal,
    onIdle() {
      toFacts = createFactsParser({ prefix });
      known = undefined;
    },
  });

  async function read(): Promise<ClusterView> {
    const over = new AbortController();
    const reading = AbortSignal.any([signal, over.signal]);
    const answered = new AbortController();
    const timer = clock
      .sleep(TIMEOUT_MS, answered.signal)
      .then(() => over.abort(new Error(`it has not answered within ${TIMEOUT_MS / 1000} s`)))
      .catch(() => {});
    try {
      const answer = await readCluster({ prefix, start: "" }, { consul: limited(reading), signal: reading });
      answered.abort();
      await parseInSlices(answer);
      const atMs = clock.nowMs();
      const cluster = describeCluster(toFacts(answer), { includes: () => true, nowMs: atMs });
      known = { cluster, atMs };
      return { cluster, atMs, problem: undefined };
    } catch (error) {
      return { cluster: known?.cluster, atMs: known?.atMs, problem: problemOf(error) };
    } finally {
      answered.abort();
      await timer;
    }
  }

  function limited(reading: AbortSignal): ClusterReadingPorts["consul"] {
    return {
      readPrefix: (options) => limit.take(reading).then(() => consul.readPrefix(options)),
      checkReadable: (options) => limit.take(reading).then(() => consul.checkReadable(options)),
    };
  }

  async function parseInSlices(answer: ClusterReading): Promise<void> {
    for (const part of ["statuses", "rules"] as const) {
      const { entries } = answer[part];
      for (let start = 0; start < entries.length; start += SLICE) {
        const none = { ...answer[part], entries: [] };
        const slice = { ...answer[part], entries: entries.slice(start, start + SLICE) };
        toFacts({ ...answer, statuses: none, rules: none, [part]: slice });
        await clock.sleep(0, signal);
      }
    }
  }
}
