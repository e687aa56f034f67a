import { startRunningNode } from "../e2e/running-node.ts";
import { killAddAndDelOften } from "./kills-add-and-del.ts";
import { killBothOften } from "./kills-both.ts";
import { killDuringSlowRestore } from "./kills-slow-restore.ts";
import { killWatcherOften } from "./kills-watcher.ts";
import { readForm } from "./support/form.ts";
import type { Group } from "./support/scenario.ts";
import { startWorld } from "./support/world.ts";

const { isLong } = readForm();

/** Everything of ours that can be killed, at instants that one seed chooses. */
export const kills: Group = {
  name: "Killed at any instant",
  start: async (backend, random) => startWorld(await startRunningNode({ backend }), random),
  scenarios: [
    {
      name: "the watcher is killed while its iptables-restore takes 2 s, and KV closes what that opens",
      told: "not one packet of a flood passes once the next watcher is in sync",
      variants: ["nft", "legacy"],
      startsWith: "open",
      run: killDuringSlowRestore,
    },
    {
      name: `the watcher is killed (SIGKILL, with its children or without) at ${isLong ? 200 : 20} random instants`,
      told: "rules change all the time; after each the last state of KV is followed; no process is left behind",
      variants: ["nft", "legacy"],
      longTimes: 1,
      run: (world) => killWatcherOften(world, isLong ? 200 : 20),
    },
    {
      name: `the plugin is killed (its whole process group) at ${isLong ? 200 : 15} random instants of ADD and DEL`,
      told:
        "a repeat succeeds, CHECK passes, not one packet of a flood from inside passes once attached; " +
        "after DEL every rule is as before, and no record or temporary file is left",
      variants: ["nft", "legacy"],
      longTimes: 1,
      run: (world) => killAddAndDelOften(world, isLong ? 200 : 15),
    },
    {
      name: `watcher and plugin are killed at once, ${isLong ? 200 : 6} times each or more`,
      told: "rules change and containers come and go all the time; the last state of KV is followed; nothing is left behind",
      variants: ["nft", "legacy"],
      longTimes: 1,
      run: (world) => killBothOften(world, isLong ? 200 : 6),
    },
  ],
};
