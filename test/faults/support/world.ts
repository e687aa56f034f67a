import { setTimeout as sleep } from "node:timers/promises";
import { acceptTo, type RunningNode } from "../../e2e/running-node.ts";
import type { ClusterStatus } from "../../../lib/status/cluster-status.ts";
import { outboundPath } from "../../support/cni/outbound.ts";
import { runCommand } from "../../support/command.ts";
import type { Container } from "../../support/container.ts";
import { parseOwnJson } from "../../support/json.ts";
import type { Random } from "../../support/random.ts";
import { monotonicMs, waitUntil } from "../../support/wait.ts";
import {
  type LogLine,
  startWatcher,
  type WaitForLineOptions,
  type Watcher,
  type WatcherOptions,
} from "../../support/watcher.ts";
import { type Flows, GOVERNED_KEY, GOVERNED_PORT, startFlows } from "./flows.ts";
import type { FlowState } from "./judge.ts";

/** What "within seconds" is held to where a scenario says nothing else. */
export const SECONDS_MS = 8_000;

/** A node with a watcher, a container, and the three flows through it. */
export interface World {
  readonly running: RunningNode;
  readonly container: Container;
  readonly flows: Flows;
  readonly random: Random;
  /** The one that runs now. */
  readonly watcher: Watcher;
  /** Starts another watcher in the place of the one that has ended. */
  startWatcher(options?: WatcherOptions): Promise<Watcher>;
  /** Writes into KV what makes the governed flow so, and returns when, as `monotonicMs`. Expects nothing. */
  write(state: FlowState): Promise<number>;
  /** Waits until the governed flow is so, `withinMs` (8,000) after `sinceMs` at the latest; says how long it took. */
  follows(state: FlowState, options: { readonly sinceMs: number; readonly withinMs?: number }): Promise<void>;
  /** Time passes; everything must stay as it is. */
  holds(ms: number): Promise<void>;
  /** Waits for a line of the watcher's log that came since the scenario began. */
  says(message: string, options?: Omit<WaitForLineOptions, "skip">): Promise<LogLine>;
  /** Waits until `/ready` answers with this status and, with `saying`, that text; returns all that it says. */
  isReady(status: 200 | 503, options?: { readonly saying?: string; readonly withinMs?: number }): Promise<string>;
  /** Waits until a sample of `/metrics` is as asked for. */
  measures(name: string, is: (value: number) => boolean, options?: { readonly withinMs?: number }): Promise<void>;
  /** Waits until `outbound status` is as asked for. */
  status(
    is: (status: ClusterStatus) => boolean,
    options: { readonly what: string; readonly withinMs?: number },
  ): Promise<void>;
  /** What took how long, for the account. */
  note(what: string, ms: number): void;
}

/** What the frame does with a world between scenarios. */
export interface WorldControl extends World {
  /** Marks where a scenario begins in the log, and forgets the notes. */
  begin(random: Random): Promise<void>;
  notes(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly watcher?: WatcherOptions;
  /** Closed after the node. */
  readonly besides?: readonly { close(): Promise<void> }[];
}

/** Takes the node over: `close` ends it too. */
export async function startWorld(
  running: RunningNode,
  random: Random,
  options: WorldOptions = {},
): Promise<WorldControl> {
  const closeRest = async () => {
    await running.close();
    for (const each of options.besides ?? []) await each.close();
  };
  try {
    return await start(running, random, options, closeRest);
  } catch (error) {
    await closeRest();
    throw error;
  }
}

async function start(
  running: RunningNode,
  initial: Random,
  options: WorldOptions,
  closeRest: () => Promise<void>,
): Promise<WorldControl> {
  let watcher = await startWatcher(running.node, options.watcher);
  const container = await running.node.attach({ conflist: running.conflist });
  await watcher.waitForLine("In sync with Consul", { timeoutMs: 20_000 });
  const flows = await startFlows(running, container);
  let random = initial;
  let mark = 0;
  let notes: Record<string, number> = {};
  const world: WorldControl = {
    running,
    container,
    flows,
    get random() {
      return random;
    },
    get watcher() {
      return watcher;
    },
    async startWatcher(watcherOptions = options.watcher) {
      watcher = await startWatcher(running.node, watcherOptions);
      mark = 0;
      return watcher;
    },
    async write(state) {
      await flows.checkpoint();
      return state === "open"
        ? running.put(GOVERNED_KEY, acceptTo(running, GOVERNED_PORT))
        : running.remove(GOVERNED_KEY);
    },
    async follows(state, { sinceMs, withinMs = SECONDS_MS }) {
      world.note(state === "open" ? "opened" : "closed", await flows.follow(state, { sinceMs, withinMs }));
    },
    async holds(ms) {
      await sleep(ms);
      await flows.checkpoint();
    },
    says: (message, lineOptions) => watcher.waitForLine(message, { ...lineOptions, skip: mark }),
    async isReady(status, { saying = "", withinMs = SECONDS_MS } = {}) {
      const sinceMs = monotonicMs();
      let last = "";
      const ask = async () => {
        const answer = await watcher.ready();
        last = `${answer.status} ${answer.body}`;
        return answer.status === status && answer.body.includes(saying) && answer.body;
      };
      const what = `/ready to answer ${status} ${saying}`;
      const body = await waitUntil(ask, { what, timeoutMs: withinMs }).catch((cause: unknown) => {
        throw new Error(`Cannot see ${what}: the last answer was ${last}`, { cause });
      });
      world.note(status === 200 ? "ready" : "not ready", monotonicMs() - sinceMs);
      return body;
    },
    async measures(name, is, { withinMs = SECONDS_MS } = {}) {
      const look = async () => is((await watcher.metrics())[name] ?? Number.NaN);
      await waitUntil(look, { what: `the metric ${name}`, timeoutMs: withinMs });
    },
    async status(is, { what, withinMs = 20_000 }) {
      const look = async () => {
        const env = { CONSUL_HTTP_ADDR: running.consul.unixUrl, CONSUL_HTTP_TOKEN: running.consul.token };
        const asked = await runCommand([outboundPath, "status", "--json"], { env, allowFailure: true });
        return asked.stdout !== "" && is(parseOwnJson<ClusterStatus>(asked.stdout));
      };
      await waitUntil(look, { what: `outbound status to show ${what}`, timeoutMs: withinMs });
    },
    note(what, ms) {
      notes[what] = Math.max(notes[what] ?? 0, Math.round(ms));
    },
    async begin(next) {
      random = next;
      mark = watcher.lines().length;
      notes = {};
      await flows.begin();
    },
    notes: () => notes,
    async close() {
      await flows.close();
      await closeRest();
    },
  };
  return world;
}
