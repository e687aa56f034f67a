/** Runs inside a node's network namespace: changes rules, and sees by packets of a container when they hold. */
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { requestConsul } from "../support/consul/http.ts";
import { parseOwnJson } from "../support/json.ts";
import { createEndpoint, type Endpoint } from "../support/traffic/endpoint.ts";
import type { FlowReply } from "../support/traffic/messages.ts";
import type { Variant } from "../support/variant.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { type RecordedCall, replay } from "./recorded-calls.ts";
import { medianOf } from "./statistics.ts";
import { timeRun } from "./timed-run.ts";
import { answerJob } from "./worker-job.ts";

/** One way to change rules. */
export type Step =
  | { readonly kind: "put"; readonly key: string; readonly value: string }
  | { readonly kind: "delete"; readonly key: string }
  | {
      readonly kind: "run";
      readonly argv: readonly [string, ...string[]];
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly kind: "replay"; readonly calls: readonly RecordedCall[]; readonly variant: Variant };

/** Again and again: `open` lets a flow through, `cut` ends it, `reset` brings the rules back to where they began. */
export interface Series {
  readonly n: number;
  readonly open: readonly Step[];
  readonly cut: readonly Step[];
  readonly reset: readonly Step[];
}

export interface ChangeJob {
  /** Consul's; both for changes and for floors. */
  readonly socketPath: string;
  /** Network namespace of the container. */
  readonly container: string;
  /** Taken in turn; UDP ports that are answered. */
  readonly destinations: readonly { readonly address: string; readonly port: number }[];
  readonly series: readonly Series[];
  /** How often to measure what Consul takes from a PUT to the return of a blocking query. */
  readonly consulFloors: number;
}

export interface SeriesFound {
  /** From the moment before the first step until the first packet came back. */
  readonly openMs: number[];
  /** From the moment before the first step until the last packet came back. */
  readonly cutMs: number[];
  /** From sending to coming back, for packets that passed: the median of each round. */
  readonly roundTripMs: number[];
  /** Between two packets sent: the mean of each round. */
  readonly spacingMs: number[];
  /** When each round's `open`, `cut` and `reset` began, and when the round ended; wall clock. */
  readonly marks: RoundMarks[];
}

export interface RoundMarks {
  readonly openAtMs: number;
  readonly cutAtMs: number;
  readonly resetAtMs: number;
  readonly endAtMs: number;
}

export interface ChangeFound {
  readonly series: readonly SeriesFound[];
  readonly consulMs: readonly number[];
}

/** Between two changes, so that what one leaves behind (a grace period of the kernel) is not in the next. */
const PAUSE_MS = 100;
const EVERY_MS = 1;

await answerJob((text) => measure(parseOwnJson<ChangeJob>(text)));

async function measure(job: ChangeJob): Promise<ChangeFound> {
  const keptAlive = new Agent({ keepAlive: true, maxSockets: 1 });
  const { closeEndpoint, ...container } = createEndpoint(job.container);
  try {
    const consulMs: number[] = [];
    for (let n = 0; n < job.consulFloors; n++) consulMs.push(await timeWakeUp(job, keptAlive));
    const series: SeriesFound[] = [];
    for (const each of job.series) {
      series.push(await runSeries(each, { job, container, perform: (steps) => perform(steps, job, keptAlive) }));
    }
    return { series, consulMs };
  } finally {
    await closeEndpoint();
    keptAlive.destroy();
  }
}

interface SeriesContext {
  readonly job: ChangeJob;
  readonly container: Endpoint;
  /** Returns when it began. */
  readonly perform: (steps: readonly Step[]) => Promise<number>;
}

async function runSeries(series: Series, context: SeriesContext): Promise<SeriesFound> {
  const found: SeriesFound = { openMs: [], cutMs: [], roundTripMs: [], spacingMs: [], marks: [] };
  for (let round = 0; round < series.n; round++) await runRound(round, series, context, found);
  return found;
}

async function runRound(
  round: number,
  { open, cut, reset }: Series,
  { job, container, perform }: SeriesContext,
  found: SeriesFound,
): Promise<void> {
  const destination = job.destinations[round % job.destinations.length];
  if (!destination) throw new Error("Cannot measure: the job has no destination");
  const datagrams = { ...destination, protocol: "udp" } as const;
  await untilClosed(container, datagrams);
  const flow = await container.openFlow({ ...datagrams, everyMs: EVERY_MS, awaitFirstReply: false });
  await sleep(PAUSE_MS);

  const openAtMs = Date.now();
  const openedMs = await perform(open);
  await sleep(PAUSE_MS);
  const first = await flow.replyAfter(0);
  expectAfter(first, openedMs);
  found.openMs.push(first.repliedAtMs - openedMs);

  const cutAtMs = Date.now();
  const cutMs = await perform(cut);
  await sleep(PAUSE_MS);
  const last = cut.length === 0 ? null : await flow.lastReplyBeforeCut({ silenceMs: PAUSE_MS });
  const { sent, replies } = await flow.close();
  if (last) {
    expectAlive(replies, cutMs);
    found.cutMs.push(Math.max(0, last.repliedAtMs - cutMs));
  }
  found.roundTripMs.push(medianOf(replies.map(({ sentAtMs, repliedAtMs }) => repliedAtMs - sentAtMs)));
  found.spacingMs.push(spacing(replies, sent));

  const resetAtMs = Date.now();
  await perform(reset);
  await sleep(PAUSE_MS);
  await untilClosed(container, datagrams);
  found.marks.push({ openAtMs, cutAtMs, resetAtMs, endAtMs: Date.now() });
}

/** Nothing may get through before `open`. */
async function untilClosed(container: Endpoint, destination: Parameters<Endpoint["canReach"]>[0]): Promise<void> {
  const isClosed = async () => !(await container.canReach({ ...destination, timeoutMs: 30 }));
  await waitUntil(isClosed, { what: `${destination.address} to be closed` });
}

function expectAfter({ repliedAtMs }: FlowReply, openedMs: number): void {
  if (repliedAtMs >= openedMs) return;
  throw new Error(`Cannot measure: a packet came back ${openedMs - repliedAtMs} ms before the change`);
}

/** A flow that had stopped by itself would look as if it had been cut at once. */
function expectAlive(replies: readonly FlowReply[], cutMs: number): void {
  const before = replies.findLast(({ repliedAtMs }) => repliedAtMs < cutMs);
  const silentMs = cutMs - (before?.repliedAtMs ?? Number.NEGATIVE_INFINITY);
  if (silentMs > PAUSE_MS / 2) throw new Error(`Cannot measure: the flow was silent for ${silentMs} ms before the cut`);
}

function spacing(replies: readonly FlowReply[], sent: number): number {
  const [first] = replies;
  const last = replies.at(-1);
  if (!first || !last || last.sequence === first.sequence)
    throw new Error(`Cannot measure: of ${sent} packets none came`);
  return (last.sentAtMs - first.sentAtMs) / (last.sequence - first.sequence);
}

async function perform(steps: readonly Step[], job: ChangeJob, agent: Agent): Promise<number> {
  const startedAtMs = monotonicMs();
  for (const step of steps) await performOne(step, job, agent);
  return startedAtMs;
}

async function performOne(step: Step, { socketPath }: ChangeJob, agent: Agent): Promise<void> {
  switch (step.kind) {
    case "put":
      return expectTrue({ method: "PUT", path: `/v1/kv/${step.key}`, body: step.value }, { socketPath, agent });
    case "delete":
      return expectTrue({ method: "DELETE", path: `/v1/kv/${step.key}` }, { socketPath, agent });
    case "run":
      await timeRun(step);
      return;
    case "replay":
      await replay(step.calls, step.variant);
  }
}

interface ConsulPlace {
  readonly socketPath: string;
  readonly agent: Agent;
}

async function expectTrue(
  request: { readonly method: "PUT" | "DELETE"; readonly path: string; readonly body?: string },
  { socketPath, agent }: ConsulPlace,
): Promise<void> {
  const { status, body } = await requestConsul(socketPath, { ...request, agent });
  if (status !== 200 || body.trim() !== "true") {
    throw new Error(`Cannot ${request.method} ${request.path}: Consul answered ${status}, ${body}`);
  }
}

/** What Consul alone takes: from before a PUT until a blocking query on its prefix has come back. */
async function timeWakeUp({ socketPath }: ChangeJob, agent: Agent): Promise<number> {
  const key = "bench/floor";
  await expectTrue({ method: "PUT", path: `/v1/kv/${key}/first`, body: "0" }, { socketPath, agent });
  const path = `/v1/kv/${key}/?recurse`;
  const before = String((await requestConsul(socketPath, { path })).headers["x-consul-index"]);
  const woken = requestConsul(socketPath, { path: `${path}&index=${before}&wait=8s` }).then(({ headers }) => {
    if (String(headers["x-consul-index"]) === before) throw new Error("Cannot measure: Consul did not wake the query");
    return monotonicMs();
  });
  await sleep(20);
  const startedAtMs = monotonicMs();
  await expectTrue({ method: "PUT", path: `/v1/kv/${key}/second`, body: String(startedAtMs) }, { socketPath, agent });
  return (await woken) - startedAtMs;
}
