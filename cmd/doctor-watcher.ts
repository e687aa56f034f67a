import { parseReadyAnswer } from "../lib/doctor/ready-answer.ts";
import type { WatcherFacts } from "../lib/doctor/watcher.ts";
import { isLockHeld } from "../lib/host/lock-holder.ts";
import { awaitFact, readFact } from "../lib/host/read-fact.ts";
import { fetchReady } from "../lib/host/watcher-ready.ts";
import type { ListenAddress } from "./listen-address.ts";
import { WATCH_LOCK } from "./watch-lock.ts";

/** Whether a watcher runs here, and what it says of itself. `address` is undefined where it is not to be asked. */
export async function gatherWatcher(
  listen: string,
  { address, signal }: { readonly address: ListenAddress | undefined; readonly signal: AbortSignal },
): Promise<WatcherFacts> {
  const isRunning = readFact(() => isLockHeld(WATCH_LOCK));
  if (!address) return { isRunning, listen, ready: { unread: "is not asked" } };
  const ready = await awaitFact(fetchReady(address, { signal }).then(parseReadyAnswer));
  return { isRunning, listen, ready };
}
