import { ConsulError } from "../lib/host/consul-error.ts";
import type { ConsulErrorKind } from "../lib/host/consul-error.ts";

/** `filtered`: ACLs hide keys from us. `internal`: an answer came and could not be taken in. */
export type FailureKind = ConsulErrorKind | "filtered" | "internal";

export interface PrefixFailure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly atMs: number;
}

/** How it stands with the watch of one prefix. */
export interface PrefixState {
  readonly prefix: string;
  /** `failing` and `filtered`: the last good answer stays, and the prefix is asked again. */
  readonly status: "starting" | "ok" | "failing" | "filtered";
  /** The index of the last answer that was believed: decimal, as JSON has no 64 bits. */
  readonly index?: string;
  readonly lastSuccessMs?: number;
  /** The last failure; it stays for people to see when all is well again. */
  readonly lastFailure?: PrefixFailure;
  readonly consecutiveFailures: number;
}

export function startingState(prefix: string): PrefixState {
  return { prefix, status: "starting", consecutiveFailures: 0 };
}

export function succeeded(state: PrefixState, { index, nowMs }: { index: bigint; nowMs: number }): PrefixState {
  return { ...state, status: "ok", index: index.toString(), lastSuccessMs: nowMs, consecutiveFailures: 0 };
}

export function failed(state: PrefixState, failure: PrefixFailure): PrefixState {
  const status = failure.kind === "filtered" ? "filtered" : "failing";
  return { ...state, status, lastFailure: failure, consecutiveFailures: state.consecutiveFailures + 1 };
}

export function toFailure(error: unknown, { nowMs }: { nowMs: number }): PrefixFailure {
  const kind = error instanceof ConsulError || error instanceof FilteredAnswerError ? error.kind : "internal";
  return { kind, message: error instanceof Error ? error.message : String(error), atMs: nowMs };
}

/** An answer from which ACLs hid keys, or that lost all its keys in between. */
export class FilteredAnswerError extends Error {
  override readonly name = "FilteredAnswerError";
  readonly kind = "filtered";
}
