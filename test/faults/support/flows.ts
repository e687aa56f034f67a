import { monotonicMs, waitUntil } from "../../support/wait.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { Container } from "../../support/container.ts";
import { acceptTo, families, type RunningNode } from "../../e2e/running-node.ts";
import { type Arrivals, countArrivals } from "./arrivals.ts";
import {
  closedWindows,
  type Expectation,
  type FlowState,
  isIn,
  isResent,
  judgeAmount,
  judgeConstant,
  judgeGoverned,
  type Window,
} from "./judge.ts";
import { startSending } from "./sending.ts";
import { type Attempts, describeStream, type FlowName, flowNames, type Stream } from "./stream.ts";

export const GOVERNED_PORT = 1000;
const NEVER_PORT = 1019;
const ALWAYS_PORT = 80;

/** The rule set that governs the governed flow, relative to `outbound/rules/`. */
export const GOVERNED_KEY = "namespace/default/job/web/governed";
const ONCE_KEY = "namespace/default/job/web/never-again";

/** New connections are dearer than packets. */
const everyMs = { new: 50, established: 20 } as const;
/** A flow that has not been answered for so long is closed. */
const SILENCE_MS = 250;
/** How long the last answers may take to come in. */
const DRAIN_MS = 1_500;

/**
 * The three flows of one container, by TCP and UDP of both families, as new connections and over established ones. They
 * go on until closed. The connections of the one that must never pass were established when a rule let them, and cut.
 */
export interface Flows {
  /** From now on the governed flow must be so, `withinMs` after `sinceMs` (now) at the latest. Waits until it is. */
  follow(state: FlowState, options: { readonly withinMs: number; readonly sinceMs?: number }): Promise<number>;
  /** What the governed flow must be now. */
  readonly expected: FlowState;
  /** While the governed flow is closed: no packet of it may have arrived so far. Needed before anything may open it. */
  checkpoint(): Promise<void>;
  /** Begins a new time line. */
  begin(): Promise<void>;
  /** Everything that was not as it must be since `begin`. */
  judge(bounds: Bounds): Promise<Judgement>;
  close(): Promise<void>;
}

export interface Bounds {
  /** The longest time for which the flow that must always pass may be lost; 0: not one packet may be. */
  readonly lostBoundMs: number;
  /** The longest time for which what must not pass may, where somebody took our rules away; 0: not one packet may. */
  readonly leakBoundMs: number;
}

export interface Judgement {
  readonly problems: readonly string[];
  /** Attempts made. */
  readonly packets: Readonly<Record<FlowName, number>>;
  readonly seconds: number;
}

/** Needs a watcher in sync: it opens every flow, then cuts the one that must never pass. */
export async function startFlows(running: RunningNode, container: Container): Promise<Flows> {
  await running.put(GOVERNED_KEY, acceptTo(running, GOVERNED_PORT));
  await running.put(ONCE_KEY, acceptTo(running, NEVER_PORT));
  const streams = streamsOf(running);
  const sending = startSending(container.namespace, streams);
  const isOpen = (flow: FlowName) =>
    ofFlow(sending.attempts, flow).every(({ answeredAtMs }) => answeredAtMs.length > 0);
  await waitUntil(() => flowNames.every(isOpen), { what: "every flow to be open", timeoutMs: 20_000 });
  await running.remove(ONCE_KEY);
  await untilClosed(ofFlow(sending.attempts, "never"), 10_000);

  let arrivals: Arrivals | undefined = await countArrivals(running.node.outside, countedOf(running));
  let expectations: Expectation[] = [{ state: "open", fromMs: monotonicMs(), byMs: monotonicMs() }];
  let startedAtMs = monotonicMs();
  let atStart = await arrivals.read();
  /** Governed packets that had arrived when it was closed; undefined while it is not. */
  let whenClosed: Readonly<Record<string, number>> | undefined;
  const arrived: string[] = [];
  const current = () => expectations.at(-1)?.state ?? "open";

  async function checkpoint(): Promise<void> {
    if (!whenClosed || !arrivals) return;
    const now = await arrivals.read();
    arrived.push(...describeGrowth("governed", whenClosed, now));
    whenClosed = now;
  }

  /** On a busy machine what arrives may be answered late: who asks for answers alone believes too early that it is cut. */
  async function untilNothingArrives(timeoutMs: number): Promise<Readonly<Record<string, number>> | undefined> {
    let last = await arrivals?.read();
    const isStill = async () => {
      const before = last;
      await sleep(SILENCE_MS);
      last = await arrivals?.read();
      return before === undefined || last === undefined || describeGrowth("governed", before, last).length === 0;
    };
    await waitUntil(isStill, { what: "packets to arrive no more", timeoutMs });
    return last;
  }

  return {
    get expected() {
      return current();
    },
    async follow(state, { withinMs, sinceMs = monotonicMs() }) {
      // What has arrived since the last checkpoint may already be what the new state lets through.
      if (state === "open") whenClosed = undefined;
      const byMs = sinceMs + withinMs;
      if (state !== current()) expectations.push({ state, fromMs: sinceMs, byMs });
      // A TCP connection that was cut tries again at longer and longer intervals: it tells late that it is open.
      const governed = ofFlow(sending.attempts, "governed").filter((each) => !isResent(each));
      const timeoutMs = Math.max(0, byMs - monotonicMs()) + SILENCE_MS + 500;
      const atMs =
        state === "open" ? await untilOpen(governed, sinceMs, timeoutMs) : await untilClosed(governed, timeoutMs);
      if (state === "closed") whenClosed ??= await untilNothingArrives(timeoutMs);
      return Math.max(0, atMs - sinceMs);
    },
    checkpoint,
    async begin() {
      startedAtMs = monotonicMs();
      expectations = [{ state: current(), fromMs: startedAtMs, byMs: startedAtMs }];
      arrived.length = 0;
      atStart = (await arrivals?.read()) ?? {};
      if (whenClosed) whenClosed = atStart;
    },
    async judge({ lostBoundMs, leakBoundMs }) {
      const window: Window = { fromMs: startedAtMs, toMs: monotonicMs() };
      await checkpoint();
      const counted = (await arrivals?.read()) ?? {};
      await untilDrained(sending.attempts, window, current());
      const problems = leakBoundMs > 0 ? [] : [...describeGrowth("never", atStart, counted), ...arrived];
      if (sending.exitCode() !== undefined) problems.push(`the sender ended with ${sending.exitCode()}`);
      for (const attempts of sending.attempts) {
        problems.push(...judgeAmount(attempts, window));
        if (attempts.stream.flow === "always") {
          problems.push(...judgeConstant(attempts, window, { state: "open", boundMs: lostBoundMs }));
          continue;
        }
        const wanted = attempts.stream.flow === "never" ? [never(window)] : expectations;
        if (leakBoundMs === 0) problems.push(...judgeGoverned(attempts, window, wanted));
        else problems.push(...judgeLeak(attempts, closedWindows(window, wanted), leakBoundMs));
      }
      return { problems, packets: packetsOf(sending.attempts, window), seconds: (window.toMs - window.fromMs) / 1000 };
    },
    async close() {
      arrivals = undefined;
      await sending.stop();
    },
  };
}

function streamsOf({ outside, allowed }: RunningNode): readonly Stream[] {
  const kinds = ["new", "established"] as const;
  const protocols = ["tcp", "udp"] as const;
  return families.flatMap((family, position) => {
    const places = {
      always: { address: allowed[position]?.address ?? "", port: ALWAYS_PORT },
      never: { address: outside[family], port: NEVER_PORT },
      governed: { address: outside[family], port: GOVERNED_PORT },
    };
    return flowNames.flatMap((flow) =>
      kinds.flatMap((kind) =>
        protocols.map((protocol) => ({ flow, family, protocol, kind, everyMs: everyMs[kind], ...places[flow] })),
      ),
    );
  });
}

function countedOf({ outside }: RunningNode) {
  return families.flatMap((family) => [
    { name: `never${family}`, address: outside[family], port: NEVER_PORT },
    { name: `governed${family}`, address: outside[family], port: GOVERNED_PORT },
  ]);
}

function describeGrowth(
  flow: FlowName,
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): string[] {
  return families.flatMap((family) => {
    const packets = (after[`${flow}${family}`] ?? 0) - (before[`${flow}${family}`] ?? 0);
    return packets === 0 ? [] : [`${flow} IPv${family}: ${packets} packets arrived that must not`];
  });
}

function judgeLeak(attempts: Attempts, windows: readonly Window[], boundMs: number): readonly string[] {
  if (isResent(attempts)) return [];
  return windows.flatMap((window) => judgeConstant(attempts, window, { state: "closed", boundMs }));
}

function never({ fromMs }: Window): Expectation {
  return { state: "closed", fromMs, byMs: fromMs };
}

function ofFlow(attempts: readonly Attempts[], flow: FlowName): readonly Attempts[] {
  return attempts.filter(({ stream }) => stream.flow === flow);
}

/** When the first attempt that was answered, on the stream where that came last, was sent. */
async function untilOpen(attempts: readonly Attempts[], sinceMs: number, timeoutMs: number): Promise<number> {
  const find = () => {
    const firsts = attempts.map(({ sentAtMs, answeredAtMs }) =>
      sentAtMs.find((atMs, n) => atMs >= sinceMs && answeredAtMs[n] !== undefined),
    );
    return firsts.every((atMs) => atMs !== undefined) && Math.max(...firsts);
  };
  return waitUntil(find, { what: describe("open", attempts), timeoutMs });
}

/** When the last attempt that was answered was sent. The sender must have gone on trying since. */
async function untilClosed(attempts: readonly Attempts[], timeoutMs: number): Promise<number> {
  const find = () => {
    const lasts = attempts.map(({ sentAtMs, answeredAtMs }) => sentAtMs[answeredAtMs.length - 1] ?? 0);
    const isSilent = attempts.every((each, n) => isResent(each) || goesOn(each.sentAtMs, lasts[n] ?? 0));
    return isSilent && monotonicMs() - Math.max(...lasts) > SILENCE_MS && Math.max(...lasts);
  };
  return waitUntil(find, { what: describe("closed", attempts), timeoutMs });
}

function goesOn(sentAtMs: readonly number[], lastMs: number): boolean {
  return (sentAtMs.at(-1) ?? 0) > lastMs + SILENCE_MS / 2;
}

function describe(state: FlowState, attempts: readonly Attempts[]): string {
  return `${attempts.map(({ stream }) => describeStream(stream)).join(", ")} to be ${state}`;
}

/** Waits for the answers to what was sent at the end. Without them the judgement says what is missing. */
async function untilDrained(attempts: readonly Attempts[], { toMs }: Window, governed: FlowState): Promise<void> {
  const due = attempts.filter(
    ({ stream }) => stream.flow === "always" || (stream.flow === "governed" && governed === "open"),
  );
  const isDrained = () =>
    due.every(({ sentAtMs, answeredAtMs }) =>
      sentAtMs.every((atMs, n) => atMs > toMs || atMs < toMs - DRAIN_MS || answeredAtMs[n] !== undefined),
    );
  for (const untilMs = monotonicMs() + DRAIN_MS; !isDrained() && monotonicMs() < untilMs;) await sleep(20);
}

function packetsOf(attempts: readonly Attempts[], window: Window): Readonly<Record<FlowName, number>> {
  const sent = (flow: FlowName) =>
    ofFlow(attempts, flow).reduce((sum, { sentAtMs }) => sum + sentAtMs.filter((atMs) => isIn(atMs, window)).length, 0);
  return { always: sent("always"), never: sent("never"), governed: sent("governed") };
}
