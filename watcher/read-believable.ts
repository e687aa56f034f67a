import type { Clock } from "../lib/host/clock.ts";
import type { Consul, PrefixAnswer } from "../lib/host/consul.ts";
import type { Log } from "../lib/host/log.ts";
import { FilteredAnswerError } from "./prefix-state.ts";
import { isBackwards, nextIndex } from "./query-index.ts";
import type { RequestLimit } from "./request-limit.ts";

/** Consul's documentation has 60 s as a good wait; less, so that with its own sixteenth it stays below that. */
const WAIT_SECONDS = 55;
const WAIT_JITTER_SECONDS = 5;
/** An answer that comes before this share of its wait has come because something woke the query. */
const WHOLE_WAIT = 0.9;

export interface ReadOptions {
  /** The whole prefix, root and all. */
  readonly prefix: string;
  readonly index: bigint;
  /** Whether there were keys under the prefix when it was last known. */
  readonly hadKeys: boolean;
  /**
   * When ACLs were last seen to let us read the prefix, by the monotonic clock, where an answer without keys has been
   * believed and none with keys since.
   */
  readonly emptySinceCheckMs: number | undefined;
  readonly signal: AbortSignal;
}

export interface ReadPorts {
  readonly consul: Pick<Consul, "readPrefix" | "checkReadable">;
  readonly limit: RequestLimit;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly random: () => number;
  readonly log: Log;
}

/** An answer that may be acted on, with the index to block on next. */
export interface BelievableAnswer {
  readonly answer: PrefixAnswer;
  readonly nextIndex: bigint;
  /** For the next read of a prefix that stays empty. */
  readonly emptySinceCheckMs: number | undefined;
}

/** A whole wait is longer: an empty prefix costs one more request a minute, however often its query is woken. */
const RECHECK_MS = 45_000;

/**
 * Blocks until the prefix has changed or the wait is over. An answer that could take rules away by mistake is not
 * believed by itself: one from which ACLs hid keys, one that lost all keys, one with an index that went backwards, one
 * that came early and at the same index: a snapshot was restored, and the answer is of what was there before it
 * (agent/consul/rpc.go, blockingQuery: AbandonCh). Those are asked for again at once, not blocking, from a leader that has made sure that it is one. And no keys at all
 * are believed only when ACLs let us see keys, and only for as long: before 1.11 Consul does not say that it hides them.
 * @throws FilteredAnswerError where the second answer is no better; ConsulError; the signal's reason
 */
export async function readBelievable(options: ReadOptions, ports: ReadPorts): Promise<BelievableAnswer> {
  const { prefix, signal, emptySinceCheckMs } = options;
  const believable = await readTwiceInDoubt(options, ports);
  if (!believable.answer.isEmpty) return { ...believable, emptySinceCheckMs: undefined };
  const nowMs = ports.clock.monotonicMs();
  if (emptySinceCheckMs !== undefined && nowMs - emptySinceCheckMs < RECHECK_MS) {
    return { ...believable, emptySinceCheckMs };
  }
  await ports.limit.take(signal);
  await ports.consul.checkReadable({ prefix, signal });
  return { ...believable, emptySinceCheckMs: nowMs };
}

async function readTwiceInDoubt(
  options: ReadOptions,
  ports: ReadPorts,
): Promise<Pick<BelievableAnswer, "answer" | "nextIndex">> {
  const { prefix, index, hadKeys } = options;
  const waitSeconds = WAIT_SECONDS - Math.floor(ports.random() * (WAIT_JITTER_SECONDS + 1));
  await ports.limit.take(options.signal);
  const askedMs = ports.clock.monotonicMs();
  const first = await read({ ...options, waitSeconds }, ports);
  const isEarly = ports.clock.monotonicMs() - askedMs < waitSeconds * 1000 * WHOLE_WAIT;
  const doubt = doubtOf(first, { index, hadKeys, isEarly });
  if (doubt === undefined) {
    return { answer: first, nextIndex: nextIndex(index, first.index) };
  }

  ports.log.info({ prefix, doubt }, "Consul's answer is in doubt and is read again");
  await ports.limit.take(options.signal);
  const second = await read({ ...options, index: 0n, waitSeconds, consistent: true }, ports);
  if (second.isFiltered) {
    throw new FilteredAnswerError(`Cannot believe ${prefix} of Consul: ACLs hide keys of it from this token`);
  }
  if (second.isEmpty && hadKeys && (first.isFiltered || !first.isEmpty)) {
    throw new FilteredAnswerError(`Cannot believe ${prefix} of Consul: only one of two answers has no keys`);
  }
  return { answer: second, nextIndex: nextIndex(0n, second.index) };
}

function doubtOf(
  answer: PrefixAnswer,
  { index, hadKeys, isEarly }: { readonly index: bigint; readonly hadKeys: boolean; readonly isEarly: boolean },
): string | undefined {
  if (answer.isFiltered) {
    return "filtered";
  }
  if (answer.isEmpty && hadKeys) {
    return "empty";
  }
  if (isBackwards(index, answer.index)) {
    return "index backwards";
  }
  return isEarly && index > 0n && answer.index === index ? "woken at the same index" : undefined;
}

function read(
  options: ReadOptions & { readonly waitSeconds: number; readonly consistent?: boolean },
  { consul }: ReadPorts,
): Promise<PrefixAnswer> {
  const { prefix, index, waitSeconds, signal, consistent = false } = options;
  return consul.readPrefix({ prefix, index, waitSeconds, consistent, signal });
}
