import type { Clock } from "../../lib/host/clock.ts";
import { ConsulError } from "../../lib/host/consul-error.ts";
import type { ConsulErrorKind } from "../../lib/host/consul-error.ts";
import type { ConsulSessions, HeldKey } from "../../lib/host/consul-session.ts";

/** Ways in which Consul may fail. All may change at any time. */
export interface FakeSessionFaults {
  /** Every request fails so, or only writes of keys. */
  fails: ConsulErrorKind | undefined;
  failsWrites: ConsulErrorKind | undefined;
  /** A write is done, but its answer is lost. */
  losesAnswers: boolean;
  /** A request takes this long. */
  slowMs: number;
}

/** Sessions and locked keys as Consul has them. A session ends exactly when it has not been renewed for its TTL. */
export interface FakeConsulSessions extends ConsulSessions {
  readonly faults: FakeSessionFaults;
  /** When a key was written, on the monotonic clock. */
  readonly writtenAtMs: readonly number[];
  readonly renewedAtMs: readonly number[];
  /** Requests that have come so far. */
  readonly requests: number;
  readonly sessionCount: number;
  get(key: string): HeldKey | undefined;
  /** As people do, with no session; a session that holds it goes on to. */
  put(key: string, value: string): void;
  remove(key: string): void;
  /** Servers that start again from nothing. */
  wipe(): void;
}

interface Session {
  readonly ttlMs: number;
  readonly renewedAtMs: number;
}

export function createFakeConsulSessions({ clock }: { readonly clock: Clock }): FakeConsulSessions {
  const faults: FakeSessionFaults = { fails: undefined, failsWrites: undefined, losesAnswers: false, slowMs: 0 };
  const sessions = new Map<string, Session>();
  const keys = new Map<string, HeldKey>();
  const writtenAtMs: number[] = [];
  const renewedAtMs: number[] = [];
  let requests = 0;
  let created = 0;

  return {
    faults,
    writtenAtMs,
    renewedAtMs,
    get requests() {
      return requests;
    },
    get sessionCount() {
      endExpired();
      return sessions.size;
    },
    get(key) {
      endExpired();
      return keys.get(key);
    },
    put(key, value) {
      keys.set(key, { ...keys.get(key), value });
    },
    remove: (key) => void keys.delete(key),
    wipe() {
      sessions.clear();
      keys.clear();
    },
    async create({ ttlSeconds, signal }) {
      await arrive(signal);
      created += 1;
      const id = `session-${created}`;
      sessions.set(id, { ttlMs: ttlSeconds * 1000, renewedAtMs: clock.monotonicMs() });
      return id;
    },
    async renew({ session, signal }) {
      await arrive(signal);
      const known = sessions.get(session);
      if (!known) return false;
      sessions.set(session, { ...known, renewedAtMs: clock.monotonicMs() });
      renewedAtMs.push(clock.monotonicMs());
      return true;
    },
    async destroy({ session, signal }) {
      await arrive(signal);
      end(session);
    },
    async acquire({ key, value, session, signal }) {
      await arrive(signal);
      fail(faults.failsWrites);
      if (!sessions.has(session)) throw new ConsulError("Cannot write: invalid session", { kind: "server" });
      const holder = keys.get(key)?.session;
      if (holder !== undefined && holder !== session) return false;
      keys.set(key, { value, session });
      writtenAtMs.push(clock.monotonicMs());
      if (faults.losesAnswers) throw new ConsulError("Cannot write: no answer", { kind: "timeout" });
      return true;
    },
    async read({ key, signal }) {
      await arrive(signal);
      return keys.get(key);
    },
    close: () => {},
  };

  async function arrive(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    requests += 1;
    if (faults.slowMs > 0) await clock.sleep(faults.slowMs, signal);
    fail(faults.fails);
    endExpired();
  }

  function fail(kind: ConsulErrorKind | undefined): void {
    if (kind !== undefined) throw new ConsulError(`Cannot ask: the fake is told to say ${kind}`, { kind });
  }

  function endExpired(): void {
    for (const [id, { ttlMs, renewedAtMs: atMs }] of sessions) if (clock.monotonicMs() - atMs >= ttlMs) end(id);
  }

  function end(id: string): void {
    sessions.delete(id);
    for (const [key, { session }] of keys) if (session === id) keys.delete(key);
  }
}
