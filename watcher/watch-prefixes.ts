import { startingState } from "./prefix-state.ts";
import type { PrefixState } from "./prefix-state.ts";
import { watchPrefix } from "./watch-prefix.ts";
import type { WatchPorts } from "./watch-prefix.ts";

/** A watch for each prefix that is needed. */
export interface PrefixWatches {
  /** Starts and ends watches so that exactly these prefixes are watched. Relative to the root. */
  setPrefixes(prefixes: Iterable<string>): void;
  /** How it stands with each, sorted by prefix. */
  states(): readonly PrefixState[];
  /** Ends all; resolves when they have ended. No port is called after that, and none is watched again. */
  close(): Promise<void>;
}

export interface PrefixWatchesPorts extends WatchPorts {
  /** Whether there is any key under the prefix as far as is known, the cache included. Asked when a watch starts. */
  readonly hadKeys: (prefix: string) => boolean;
}

interface Watch {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
  state: PrefixState;
}

/** `root`: what all keys start with, e.g. `outbound/rules/`. */
export function createPrefixWatches({ root }: { readonly root: string }, ports: PrefixWatchesPorts): PrefixWatches {
  const watches = new Map<string, Watch>();
  /** Those that have been aborted and may still be ending. */
  const ending = new Set<Promise<void>>();
  let isClosed = false;

  return {
    setPrefixes(prefixes) {
      if (isClosed) {
        return;
      }
      const needed = new Set(prefixes);
      for (const prefix of watches.keys()) {
        if (!needed.has(prefix)) {
          stop(prefix);
        }
      }
      for (const prefix of needed) {
        if (!watches.has(prefix)) {
          start(prefix);
        }
      }
    },
    states: () => [...watches.keys()].toSorted().flatMap((prefix) => watches.get(prefix)?.state ?? []),
    async close() {
      isClosed = true;
      for (const prefix of watches.keys()) {
        stop(prefix);
      }
      await Promise.all(ending);
    },
  };

  function start(prefix: string): void {
    const abort = new AbortController();
    const onState = (state: PrefixState): void => {
      watch.state = state;
      ports.onState(state);
    };
    const options = { root, prefix, hadKeys: ports.hadKeys(prefix), signal: abort.signal };
    // Not before the next turn: a port that is called at once would find a watch that is not there yet.
    const ended = Promise.resolve().then(() => watchPrefix(options, { ...ports, onState }));
    const watch: Watch = { abort, ended, state: startingState(prefix) };
    watches.set(prefix, watch);
  }

  function stop(prefix: string): void {
    const watch = watches.get(prefix);
    if (watch === undefined) {
      return;
    }
    watches.delete(prefix);
    watch.abort.abort();
    ending.add(watch.ended);
    void watch.ended.finally(() => ending.delete(watch.ended));
  }
}
