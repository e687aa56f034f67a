import { type Attempts, describeStream } from "./stream.ts";

/** From `fromMs` on the governed flow should be so; it must be so for all that is sent after `byMs`. */
export interface Expectation {
  readonly state: FlowState;
  readonly fromMs: number;
  readonly byMs: number;
}

export type FlowState = "open" | "closed";

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is sent this shortly before a change may be under way when it happens. */
const UNDER_WAY_MS = 50;
/**
 * A SYN that was dropped is sent again after a second. A sender that was kept from the processor for so long may see
 * that one answered, and an answer so late does not tell when the flow was open.
 */
const SECOND_SYN_MS = 950;
/** A sender that was kept from the processor sends less; one that sends next to nothing proves nothing. */
const LEAST_SHARE_SENT = 0.1;

/**
 * Attempts in a row that were not so, for longer than `boundMs`: from when the first of them was sent to when the next
 * one that was so was sent. With a bound of 0 there may be none.
 */
export function judgeConstant(
  attempts: Attempts,
  window: Window,
  { state, boundMs }: { readonly state: FlowState; readonly boundMs: number },
): string[] {
  const { sentAtMs, answeredAtMs, stream } = attempts;
  const problems: string[] = [];
  let sinceMs: number | undefined;
  let count = 0;
  const close = (atMs: number) => {
    if (sinceMs !== undefined && (boundMs === 0 || atMs - sinceMs > boundMs)) {
      const when = `from ${(sinceMs - window.fromMs).toFixed(0)} ms on for ${(atMs - sinceMs).toFixed(0)} ms`;
      problems.push(`${describeStream(stream)}: ${count} attempts not ${state}, ${when}`);
    }
    sinceMs = undefined;
    count = 0;
  };
  for (const [sequence, atMs] of sentAtMs.entries()) {
    if (!isIn(atMs, window)) continue;
    if ((answeredAtMs[sequence] !== undefined) === (state === "open")) {
      close(atMs);
    } else {
      sinceMs ??= atMs;
      count++;
    }
  }
  close(window.toMs);
  return problems;
}

/** Where the governed flow was not as expected, or changed more than once on the way from one state to the next. */
export function judgeGoverned(attempts: Attempts, window: Window, expectations: readonly Expectation[]): string[] {
  // Over TCP what is sent while it is cut is sent again, and answered, after that: only answers have a time there.
  if (isResent(attempts)) return judgeAnswers(attempts, window, expectations);
  const { sentAtMs, answeredAtMs, stream } = attempts;
  const problems: string[] = [];
  for (const [position, { state, fromMs, byMs }] of expectations.entries()) {
    const endMs = (expectations[position + 1]?.fromMs ?? window.toMs + UNDER_WAY_MS) - UNDER_WAY_MS;
    let wasSo = false;
    for (const [sequence, atMs] of sentAtMs.entries()) {
      if (!isIn(atMs, window) || atMs < fromMs || atMs > endMs) continue;
      const answeredMs = answeredAtMs[sequence];
      if (stream.protocol === "tcp" && (answeredMs ?? atMs) - atMs > SECOND_SYN_MS) continue;
      const isSo = (answeredMs !== undefined) === (state === "open");
      if (!isSo && (wasSo || atMs > byMs)) {
        const answer = answeredMs === undefined ? "" : `, answered after ${(answeredMs - atMs).toFixed(0)} ms`;
        const when = `${(atMs - fromMs).toFixed(0)} ms after it should become ${state}${answer}`;
        problems.push(`${describeStream(stream)}: not ${state} ${when}${wasSo ? ", having been so before" : ""}`);
        break;
      }
      wasSo ||= isSo;
    }
  }
  return problems;
}

/** The parts of the window in which the governed flow has to be closed. */
export function closedWindows(window: Window, expectations: readonly Expectation[]): readonly Window[] {
  return expectations.flatMap(({ state, byMs }, position) => {
    const toMs = Math.min(window.toMs, expectations[position + 1]?.fromMs ?? window.toMs);
    return state === "open" ? [] : [{ fromMs: Math.max(window.fromMs, byMs), toMs }];
  });
}

export function isResent({ stream }: Pick<Attempts, "stream">): boolean {
  return stream.protocol === "tcp" && stream.kind === "established";
}

/** A connection that is cut sends little; on all others enough must have been sent. */
export function judgeAmount({ stream, sentAtMs }: Attempts, window: Window): string[] {
  if (isResent({ stream }) && stream.flow !== "always") return [];
  const sent = sentAtMs.filter((atMs) => isIn(atMs, window)).length;
  const due = (window.toMs - window.fromMs) / stream.everyMs;
  return sent < due * LEAST_SHARE_SENT ? [`${describeStream(stream)}: sent ${sent} of ${due.toFixed(0)} only`] : [];
}

function judgeAnswers(
  { answeredAtMs, stream }: Attempts,
  window: Window,
  expectations: readonly Expectation[],
): string[] {
  return closedWindows(window, expectations).flatMap((closed) => {
    const answered = answeredAtMs.filter((atMs) => atMs !== undefined && isIn(atMs, closed));
    return answered.length > 0 ? [`${describeStream(stream)}: ${answered.length} answers while it was closed`] : [];
  });
}

export function isIn(atMs: number, { fromMs, toMs }: Window): boolean {
  return atMs >= fromMs && atMs <= toMs;
}
