import type { Consul, PrefixAnswer } from "../lib/host/consul.ts";
import type { Log } from "../lib/host/log.ts";
import { FilteredAnswerError } from "./prefix-state.ts";
import { isBackwards, nextIndex } from "./query-index.ts";
import type { RequestLimit } from "./request-limit.ts";

/** Consul's documentation has 60 s as a good wait; less, so that with its own sixteenth it stays below that. */
const WAIT_SECONDS = 55;
const WAIT_JITTER_SECONDS = 5;

export interface ReadOptions {
  /** The whole prefix, root and all. */
  readonly prefix: string;
  readonly index: bigint;
  /** Whether there were keys under the prefix when it was last known. */
  readonly hadKeys: boolean;
  /** Whether an answer without keys has been believed and none with keys since. */
  readonly isKnownEmpty: boolean;
  readonly signal: AbortSignal;
}

export interface ReadPorts {
  readonly consul: Pick<Consul, "readPrefix" | "checkReadable">;
  readonly limit: RequestLimit;
  readonly random: () => number;
  readonly log: Log;
}

/** An answer that may be acted on, with the index to block on next. */
export interface BelievableAnswer {
  readonly answer: PrefixAnswer;
  readonly nextIndex: bigint;
}

/**
 * Blocks until the prefix has changed or the wait is over. An answer that could take rules away by mistake is not
 * believed by itself: one from which ACLs hid keys, one that lost all keys, one with an index that went backwards.
 * Those are asked for again at once, not blocking, from a leader that has made sure that it is one. And no keys at all
 * are believed only when ACLs let us see keys.
 * @throws FilteredAnswerError where the second answer is no better; ConsulError; the signal's reason
 */
export async function readBelievable(options: ReadOptions, ports: ReadPorts): Promise<BelievableAnswer> {
  const believable = await readTwiceInDoubt(options, ports);
  if (believable.answer.isEmpty && !options.isKnownEmpty) {
    const { prefix, signal } = options;
    await ports.limit.take(signal);
    await ports.consul.checkReadable({ prefix, signal });
  }
  return believable;
}

async function readTwiceInDoubt(options: ReadOptions, ports: ReadPorts): Promise<BelievableAnswer> {
  const { prefix, index, hadKeys } = options;
  const first = await read(options, ports);
  const doubt = doubtOf(first, { index, hadKeys });
  if (doubt === undefined) {
    return { answer: first, nextIndex: nextIndex(index, first.index) };
  }

  ports.log.info({ prefix, doubt }, "Consul's answer is in doubt and is read again");
  const second = await read({ ...options, index: 0n, consistent: true }, ports);
  if (second.isFiltered) {
    throw new FilteredAnswerError(`Cannot believe ${prefix} of Consul: ACLs hide keys of it from this token`);
  }
  if (second.isEmpty && hadKeys && (first.isFiltered || !first.isEmpty)) {
    throw new FilteredAnswerError(`Cannot believe ${prefix} of Consul: only one of two answers has no keys`);
  }
  return { answer: second, nextIndex: nextIndex(0n, second.index) };
}

function doubtOf(answer: PrefixAnswer, { index, hadKeys }: { index: bigint; hadKeys: boolean }): string | undefined {
  if (answer.isFiltered) {
    return "filtered";
  }
  if (answer.isEmpty && hadKeys) {
    return "empty";
  }
  return isBackwards(index, answer.index) ? "index backwards" : undefined;
}

async function read(
  { prefix, index, signal, consistent = false }: ReadOptions & { readonly consistent?: boolean },
  { consul, limit, random }: ReadPorts,
): Promise<PrefixAnswer> {
  await limit.take(signal);
  const waitSeconds = WAIT_SECONDS - Math.floor(random() * (WAIT_JITTER_SECONDS + 1));
  return consul.readPrefix({ prefix, index, waitSeconds, consistent, signal });
}
