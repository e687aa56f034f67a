import { setTimeout as sleep } from "node:timers/promises";
import { acceptTo, type RunningNode } from "../e2e/running-node.ts";
import type { Random } from "../support/random.ts";

/** Rule changes that go on. */
export interface Changing {
  /** Ends them, and throws where one of them failed. Returns how many there were. */
  stop(): Promise<number>;
}

const KEYS = ["global/a", "node/n1/a", "network/egress/a", "namespace/default/a"].concat(
  ["namespace/default/job/web/more", "namespace/default/job/web/group/app/a", "namespace/team-b/a"],
  ["namespace/default/job/batch/a"],
);
/** The ports of the three flows are left alone. */
const FIRST_PORT = 1001;
const PORTS = 18;

/** Writes and deletes rule sets of every scope that decide none of the three flows, several a second, until stopped. */
export function startChanging(running: RunningNode, random: Random): Changing {
  const over = new AbortController();
  const run = async () => {
    let count = 0;
    for (; !over.signal.aborted; count++) {
      const key = random.pick(KEYS);
      if (random.oneIn(4)) await running.remove(key);
      else await running.put(key, [...denies(random), ...acceptTo(running, FIRST_PORT + random.below(PORTS))]);
      await sleep(20 + random.below(60));
    }
    return count;
  };
  const ended = run();
  ended.catch(() => {});
  return {
    stop() {
      over.abort();
      return ended;
    },
  };
}

function denies(random: Random) {
  const action = random.pick(["DROP", "REJECT"] as const);
  return Array.from({ length: random.below(4) }, () => ({ host: `203.0.113.${random.below(250)}`, action }));
}
