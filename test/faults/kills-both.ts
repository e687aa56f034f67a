import { createPluginOnly } from "../e2e/plugin-only.ts";
import { createRandom, type Random } from "../support/random.ts";
import { nothingIsLeft } from "./kills-agreement.ts";
import { mustRun, runAndKill } from "./kills-plugin.ts";
import { killWatcherOften } from "./kills-watcher.ts";
import type { World } from "./support/world.ts";

const LANES = 2;
/** What an ADD or a DEL takes while others hold the lock now and then. */
const LONGEST_MS = 150;

/** As long as the watcher is killed, containers come and go beside it, and their plugins are killed too. */
export async function killBothOften(world: World, instants: number): Promise<void> {
  const over = new AbortController();
  let killed = 0;
  const comeAndGo = async (lane: number, random: Random) => {
    for (let number = lane; !over.signal.aborted || killed < instants; number += LANES) {
      const { runs } = createPluginOnly(world.running, number, world.container);
      for (const run of [runs.ADD, runs.DEL]) {
        while (random.oneIn(2)) if (await runAndKill(world.running.node, run, random.below(LONGEST_MS))) killed++;
        // Where an ADD failed, Nomad sends a DEL, and no other ADD.
        if (run === runs.DEL || !random.oneIn(4)) await mustRun(world.running.node, run);
      }
    }
  };
  const lanes = Array.from({ length: LANES }, (_, lane) => comeAndGo(lane, createRandom(world.random.below(1e9))));
  for (const lane of lanes) lane.catch(() => over.abort());
  try {
    await killWatcherOften(world, instants);
  } finally {
    over.abort();
    await Promise.all(lanes);
  }
  await nothingIsLeft(world);
}
