import type { Clock } from "../lib/host/clock.ts";
import type { ConsulSessions } from "../lib/host/consul-session.ts";
import type { Log } from "../lib/host/log.ts";
import type { RequestLimit } from "./request-limit.ts";
import { createStatusFailures, problemOf } from "./status-failures.ts";

/** What a watcher says of its node, kept in a key of KV for as long as the watcher lives. */
export interface StatusKey {
  /** What there is to say may have changed. */
  readonly changed: () => void;
  /** Resolves when the key is gone, or cannot be removed, after `signal` aborted. Never rejects. */
  readonly ended: Promise<void>;
}

export interface StatusKeyOptions {
  /** The whole key. */
  readonly key: string;
  readonly signal: AbortSignal;
}

export interface StatusKeyPorts {
  readonly sessions: Omit<ConsulSessions, "close">;
  /** What there is to say now. Asked only when it may be written. */
  readonly describe: () => string;
  readonly limit: RequestLimit;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/**
 * A change is told after up to a second, so that the nodes of a cluster do not all write at once, and 2 s after the last
 * write at the soonest: 1,000 nodes that all change once write 1,000 times within a second, and never more than 500
 * times a second for long.
 */
const JITTER_MS = 1000;
const INTERVAL_MS = 2000;

/**
 * A session that is not renewed ends after one to two of its lifetimes. Renewing it writes nothing, nor does the look
 * at the key that goes with it: 1,000 nodes at rest renew 50 times a second and read 50 times, and write never.
 */
const TTL_SECONDS = 60;
const RENEW_MS = 20_000;

/**
 * Keeps a key at what there is to say, until `signal` aborts. It is written only when its content changes. A session
 * that is lost is replaced and the key written again, and so is a key that somebody has deleted, changed or tied to
 * another session. A watcher of one node at a time runs, so a session that holds the key is that of a predecessor that
 * was killed, and is destroyed.
 */
export function startStatusKey({ key, signal }: StatusKeyOptions, ports: StatusKeyPorts): StatusKey {
  const { sessions, clock, random, log } = ports;
  let session: string | undefined;
  /** What Consul has under our session, as far as is known. */
  let written: string | undefined;
  let isChanged = false;
  let hasHeld = false;
  let writtenAtMs = Number.NEGATIVE_INFINITY;
  let renewAtMs = clock.monotonicMs() + RENEW_MS;
  let wake = (): void => {};
  signal.addEventListener("abort", () => wake(), { once: true });
  return {
    changed() {
      isChanged = true;
      wake();
    },
    ended: run(),
  };

  async function run(): Promise<void> {
    const failures = createStatusFailures(ports);
    while (!signal.aborted) {
      try {
        await untilDue();
        if (session !== undefined && clock.monotonicMs() >= renewAtMs) await renew(session);
        if (isChanged) await write();
        failures.clear();
      } catch (error) {
        if (signal.aborted) break;
        // Whether the session has ended is found out before anything else.
        renewAtMs = clock.monotonicMs();
        await pause(failures.add(error));
      }
    }
    await end();
  }

  /** Sleeps until there is something to do. */
  async function untilDue(): Promise<void> {
    if (isChanged) return;
    const woken = new AbortController();
    wake = () => woken.abort();
    await pause(Math.max(0, renewAtMs - clock.monotonicMs()), woken.signal);
    if (session === undefined) scheduleRenewal();
  }

  async function renew(current: string): Promise<void> {
    await ports.limit.take(signal);
    if (!(await sessions.renew({ session: current, signal }))) {
      session = undefined;
      writeAgain();
    } else if (written !== undefined) {
      await ports.limit.take(signal);
      const held = await sessions.read({ key, signal });
      if (held?.session !== current || held.value !== written) writeAgain();
    }
    scheduleRenewal();
  }

  function writeAgain(): void {
    written = undefined;
    isChanged = true;
  }

  function scheduleRenewal(): void {
    renewAtMs = clock.monotonicMs() + RENEW_MS * (0.8 + 0.4 * random());
  }

  async function write(): Promise<void> {
    await pause(Math.max(random() * JITTER_MS, writtenAtMs + INTERVAL_MS - clock.monotonicMs()));
    signal.throwIfAborted();
    isChanged = false;
    try {
      const value = ports.describe();
      if (value === written) return;
      const current = session ?? (await open());
      if (!(await acquire(current, value))) {
        await takeOver(current);
        if (!(await acquire(current, value))) throw new Error(`Cannot write ${key} to Consul: it is locked`);
      }
      written = value;
      hasHeld = true;
    } catch (error) {
      isChanged = true;
      throw error;
    }
  }

  async function open(): Promise<string> {
    await ports.limit.take(signal);
    session = await sessions.create({ name: "outbound watch", ttlSeconds: TTL_SECONDS, signal });
    scheduleRenewal();
    return session;
  }

  async function acquire(current: string, value: string): Promise<boolean> {
    await ports.limit.take(signal);
    // Not before the limit, which may hold this one up and not the next.
    writtenAtMs = clock.monotonicMs();
    return sessions.acquire({ key, value, session: current, signal });
  }

  async function takeOver(current: string): Promise<void> {
    await ports.limit.take(signal);
    const holder = (await sessions.read({ key, signal }))?.session;
    if (holder === undefined || holder === current) return;
    if (hasHeld) log.warn({ key, holder }, "Somebody else has locked this node's status: do two nodes have one name?");
    await ports.limit.take(signal);
    await sessions.destroy({ session: holder, signal });
  }

  async function end(): Promise<void> {
    if (session === undefined) return;
    try {
      await sessions.destroy({ session, signal: new AbortController().signal });
    } catch (error) {
      log.info({ key, problem: problemOf(error) }, "This node's status stays until its session ends by itself");
    }
  }

  async function pause(ms: number, woken: AbortSignal = signal): Promise<void> {
    if (ms <= 0) return;
    try {
      await clock.sleep(ms, woken);
    } catch {
      // Aborted: whoever waits looks at the signal.
    }
  }
}
