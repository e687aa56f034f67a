import { ConsulError } from "../../lib/host/consul-error.ts";
import type { ConsulErrorKind } from "../../lib/host/consul-error.ts";
import type { Consul, KvEntry, PrefixAnswer, ReadPrefixOptions } from "../../lib/host/consul.ts";
import type { Clock } from "../../lib/host/clock.ts";

/** Ways in which Consul, or what stands before it, may misbehave. All may change at any time. */
export interface FakeFaults {
  /** Every request fails so. */
  fails: ConsulErrorKind | undefined;
  /** ACLs hide all keys: with a word about it, as since Consul 1.11, or without. */
  hides: "openly" | "silently" | undefined;
  /** Only reads that are not consistent are hidden from, as by a server that is behind. */
  isOnlyStaleWrong: boolean;
  index: "right" | "missing" | "zero";
}

/** A KV store with the indexes and wake-ups of Consul's, without ACLs of its own. */
export interface FakeConsul extends Pick<Consul, "readPrefix" | "checkReadable"> {
  readonly faults: FakeFaults;
  /** Requests that have come so far. */
  readonly requests: number;
  put(key: string, value: string): void;
  remove(key: string): void;
  /** Servers that start again from nothing. Who blocks is sent away. */
  wipe(): void;
  /** Returns what gives the servers back what they have now. Who blocks is sent away with what there was before that. */
  saveSnapshot(): () => void;
  /** Servers forget what was deleted, so that indexes go back; who blocks hears nothing of it. */
  reapTombstones(): void;
}

const FIRST_LOG_INDEX = 10;

export function createFakeConsul({ clock }: { readonly clock: Clock }): FakeConsul {
  const faults: FakeFaults = { fails: undefined, hides: undefined, isOnlyStaleWrong: false, index: "right" };
  let entries = new Map<string, KvEntry>();
  let tombstones = new Map<string, number>();
  // A cluster has written to its log before anyone writes a key.
  let logIndex = FIRST_LOG_INDEX;
  let table = 0;
  let requests = 0;
  let restores = 0;
  let waiting = new Set<() => void>();

  return {
    faults,
    get requests() {
      return requests;
    },
    async readPrefix(options) {
      options.signal.throwIfAborted();
      requests += 1;
      failIfTold();
      if (options.index > 0n) {
        const before = answer(options);
        const { isRestored } = await waitForChange(options);
        failIfTold();
        if (isRestored) return before;
      }
      return answer(options);
    },
    async checkReadable({ signal }) {
      signal.throwIfAborted();
      requests += 1;
      failIfTold();
      if (faults.hides !== undefined && !faults.isOnlyStaleWrong) {
        throw new ConsulError("Cannot read: the fake's ACLs hide keys", { kind: "forbidden", statusCode: 403 });
      }
    },
    put(key, value) {
      const bytes = new TextEncoder().encode(value);
      const old = entries.get(key);
      if (old !== undefined && Buffer.compare(old.value, bytes) === 0) {
        return;
      }
      logIndex += 1;
      table = logIndex;
      entries.set(key, { key, value: bytes, modifyIndex: table });
      wakeAll();
    },
    remove(key) {
      if (entries.delete(key)) {
        logIndex += 1;
        table = logIndex;
        tombstones.set(key, table);
        wakeAll();
      }
    },
    wipe() {
      entries = new Map();
      tombstones = new Map();
      logIndex = FIRST_LOG_INDEX;
      table = 0;
      const sent = waiting;
      waiting = new Set();
      for (const wake of sent) {
        wake();
      }
    },
    saveSnapshot() {
      const saved = { entries: new Map(entries), tombstones: new Map(tombstones), table };
      return () => {
        ({ entries, tombstones, table } = saved);
        restores += 1;
        wakeAll();
      };
    },
    reapTombstones() {
      tombstones = new Map();
    },
  };

  function failIfTold(): void {
    if (faults.fails !== undefined) {
      throw new ConsulError(`Cannot read: the fake is told to say ${faults.fails}`, { kind: faults.fails });
    }
  }

  /** Resolves when the prefix's index is beyond the one asked with, when the wait is over, with a wipe or a restore. */
  async function waitForChange(options: ReadPrefixOptions): Promise<{ readonly isRestored: boolean }> {
    const { prefix, index, waitSeconds, signal } = options;
    const restoresBefore = restores;
    const isRestored = () => restores !== restoresBefore;
    const over = new AbortController();
    const timeUp = clock.sleep(waitSeconds * 1000, AbortSignal.any([signal, over.signal]));
    try {
      let isWiped = false;
      while (BigInt(indexOf(prefix)) <= index && !isWiped && !isRestored()) {
        const woken = new Promise<void>((resolve) => waiting.add(resolve));
        const generation = waiting;
        const isTimeUp = await Promise.race([woken.then(() => false), timeUp.then(() => true)]);
        if (isTimeUp) break;
        isWiped = generation !== waiting && table === 0;
      }
      return { isRestored: isRestored() };
    } finally {
      timeUp.catch(() => undefined);
      over.abort();
    }
  }

  function wakeAll(): void {
    const woken = [...waiting];
    waiting.clear();
    for (const wake of woken) {
      wake();
    }
  }

  function indexOf(prefix: string): number {
    const own = [...entries].filter(([key]) => key.startsWith(prefix)).map(([, { modifyIndex }]) => modifyIndex);
    const dead = [...tombstones].filter(([key]) => key.startsWith(prefix)).map(([, index]) => index);
    const index = Math.max(0, ...own, ...dead);
    // With nothing under it, live or dead, a prefix has the table's index.
    return index === 0 ? Math.max(1, table) : index;
  }

  function answer({ prefix, consistent }: ReadPrefixOptions): PrefixAnswer {
    const isHidden = faults.hides !== undefined && !(consistent && faults.isOnlyStaleWrong);
    const visible = isHidden
      ? []
      : [...entries.values()].filter(({ key }) => key.startsWith(prefix)).toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const right = BigInt(indexOf(prefix));
    return {
      index: { right, missing: undefined, zero: 0n }[faults.index],
      entries: visible,
      isFiltered: isHidden && faults.hides === "openly",
      isEmpty: visible.length === 0,
    };
  }
}
