import type { Clock } from "../lib/host/clock.ts";
import type { KvEntry } from "../lib/host/consul.ts";
import { backoffMs, LONGEST_BACKOFF_MS } from "./backoff.ts";
import { isSameEntry } from "./known-key.ts";
import { failed, startingState, succeeded, toFailure } from "./prefix-state.ts";
import type { FailureKind, PrefixState } from "./prefix-state.ts";
import { readBelievable } from "./read-believable.ts";
import type { ReadPorts } from "./read-believable.ts";
import { unchangedIntervalMs } from "./request-limit.ts";

export interface WatchOptions {
  /** What all keys start with, e.g. `outbound/rules/`. */
  readonly root: string;
  /** Relative to the root, e.g. `namespace/default/`. */
  readonly prefix: string;
  /** Whether an earlier answer, or the cache, had keys under the prefix. */
  readonly hadKeys: boolean;
  readonly signal: AbortSignal;
}

/** Everything that KV holds under a prefix. Keys are relative to the root. */
export interface DeliveredAnswer {
  readonly prefix: string;
  readonly entries: readonly KvEntry[];
}

export interface WatchPorts extends ReadPorts {
  readonly clock: Clock;
  /** Called with the first answer, and then with each that differs from the one before. Asked again if it throws. */
  readonly onAnswer: (answer: DeliveredAnswer) => void;
  /** Called after each query, with how it went. */
  readonly onState: (state: PrefixState) => void;
}

/** What one query leaves for the next. */
interface Memory {
  readonly index: bigint;
  readonly hadKeys: boolean;
  readonly delivered: readonly KvEntry[] | undefined;
  readonly emptySinceCheckMs: number | undefined;
  /** Answers with nothing new in a row, each sooner than a query that waits would give it. */
  readonly unchanged: number;
  readonly state: PrefixState;
}

interface Outcome {
  readonly memory: Memory;
  readonly pauseMs: number;
}

/** Longer than this from question to answer is slow enough not to be slowed down. */
const QUIET_MS = 1000;

/** Watches one prefix until the signal aborts, whatever happens. Never rejects. */
export async function watchPrefix(options: WatchOptions, ports: WatchPorts): Promise<void> {
  const { prefix, hadKeys, signal } = options;
  let memory: Memory = {
    index: 0n,
    hadKeys,
    delivered: undefined,
    emptySinceCheckMs: undefined,
    unchanged: 0,
    state: startingState(prefix),
  };

  while (!signal.aborted) {
    const next = await queryOnce(memory, options, ports);
    if (signal.aborted) {
      return;
    }
    memory = next.memory;
    await pause(next.pauseMs, options, ports);
  }
}

async function queryOnce(memory: Memory, options: WatchOptions, ports: WatchPorts): Promise<Outcome> {
  const { root, prefix, signal } = options;
  const { index, hadKeys, emptySinceCheckMs } = memory;
  const startedMs = ports.clock.nowMs();
  try {
    const read = await readBelievable({ prefix: root + prefix, index, hadKeys, emptySinceCheckMs, signal }, ports);
    signal.throwIfAborted();
    const elapsedMs = Math.max(0, ports.clock.nowMs() - startedMs);
    const entries = read.answer.entries.map((entry) => ({ ...entry, key: entry.key.slice(root.length) }));
    const known = { ...memory, emptySinceCheckMs: read.emptySinceCheckMs };
    return takeIn(known, { prefix, entries, index: read.nextIndex, elapsedMs }, ports);
  } catch (error) {
    return signal.aborted ? { memory, pauseMs: 0 } : recordFailure(memory, error, ports);
  }
}

function takeIn(
  memory: Memory,
  answer: DeliveredAnswer & { readonly index: bigint; readonly elapsedMs: number },
  ports: WatchPorts,
): Outcome {
  const { prefix, entries, index, elapsedMs } = answer;
  const isNew = memory.delivered === undefined || !isSameContent(memory.delivered, entries);
  if (isNew) {
    ports.onAnswer({ prefix, entries });
  }
  const { consecutiveFailures } = memory.state;
  if (consecutiveFailures > 0) {
    ports.log.info({ prefix, failures: consecutiveFailures }, "Consul is read again");
  }
  const unchanged = isNew || elapsedMs >= QUIET_MS ? 0 : memory.unchanged + 1;
  const state = succeeded(memory.state, { index, nowMs: ports.clock.nowMs() });
  tell(state, ports);
  return {
    memory: { ...memory, index, hadKeys: entries.length > 0, delivered: entries, unchanged, state },
    pauseMs: unchangedIntervalMs(unchanged) - elapsedMs,
  };
}

function recordFailure(memory: Memory, error: unknown, ports: WatchPorts): Outcome {
  const failure = toFailure(error, { nowMs: ports.clock.nowMs() });
  const state = failed(memory.state, failure);
  const { prefix, consecutiveFailures } = state;
  if (consecutiveFailures === 1 || memory.state.lastFailure?.kind !== failure.kind) {
    const { kind, message } = failure;
    ports.log.warn({ prefix, kind, problem: message }, "Consul cannot be read, the last good rules stay");
  }
  tell(state, ports);
  const longestMs = longestBackoffMs(failure.kind);
  return {
    // Servers that come back may count from a lower index: a query on the old one would block without hearing of it.
    memory: { ...memory, index: 0n, unchanged: 0, state },
    pauseMs: backoffMs(consecutiveFailures, { random: ports.random, longestMs }),
  };
}

/** A state that nobody takes must not end the watch. */
function tell(state: PrefixState, { onState, log }: WatchPorts): void {
  try {
    onState(state);
  } catch (error) {
    log.error({ prefix: state.prefix, error }, "The state of a watch was not taken in");
  }
}

/**
 * A local agent that is gone costs nobody anything to try, and should be missed for seconds only. Without a leader an
 * agent holds each request for 7 s by itself. What else fails may be a server under load.
 */
function longestBackoffMs(kind: FailureKind): number {
  const longest: Partial<Record<FailureKind, number>> = { unreachable: 5000, "no-leader": 10_000 };
  return longest[kind] ?? LONGEST_BACKOFF_MS;
}

async function pause(ms: number, { signal }: WatchOptions, { clock }: WatchPorts): Promise<void> {
  if (ms <= 0) {
    return;
  }
  try {
    await clock.sleep(ms, signal);
  } catch {
    // Aborted: whoever waits looks at the signal.
  }
}

function isSameContent(a: readonly KvEntry[], b: readonly KvEntry[]): boolean {
  return a.length === b.length && a.every((entry, index) => isSame(entry, b[index]));
}

function isSame(a: KvEntry, b: KvEntry | undefined): boolean {
  return b !== undefined && isSameEntry(a, b);
}
