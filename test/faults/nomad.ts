import { startRunningNode } from "../e2e/running-node.ts";
import { addWithOtherAddresses, comeAndGoAtOnce, deleteWithoutNetns } from "./nomad-crowd.ts";
import { inheritNothing } from "./nomad-heir.ts";
import { rebootHost } from "./nomad-reboot.ts";
import { restartAgentOften } from "./nomad-restart.ts";
import { readForm } from "./support/form.ts";
import type { Group, Scenario } from "./support/scenario.ts";
import { startWorld } from "./support/world.ts";

const { isLong } = readForm();

/** What Nomad does with containers that nobody planned. CHECK runs after every scenario of every group. */
export const nomad: Group = {
  name: "What Nomad does",
  limits: [
    "From outbound's DEL to that of the bridge plugin, which comes next, the container's interface is up and unfiltered: what " +
      "is still sent then passes. Nomad has ended the tasks by that time.",
  ],
  start: async (backend, random) => startWorld(await startRunningNode({ backend }), random),
  scenarios: [
    {
      name: "a DEL never came, and another job's container has address and interface name; the watcher runs",
      told: "by its rules, traced, and by packets it never has the old one's, and has its own; the old one is removed",
      variants: ["nft"],
      run: (world) => inheritNothing(world, { isWatched: true }),
    },
    {
      name: "the same while no watcher runs, until one starts",
      told: "the same, before it runs and after",
      variants: ["legacy"],
      run: (world) => inheritNothing(world, { isWatched: false }),
    },
    {
      name: "a network namespace is gone before DEL, with prevResult and without",
      told: "DEL succeeds; neither record nor chain is left",
      variants: ["nft", "legacy"],
      run: deleteWithoutNetns,
    },
    {
      name: "ADD comes again without DEL, with other addresses",
      told: "they have rules from KV and their later changes; the old ones pass nothing; nothing is left after DEL",
      variants: ["legacy"],
      run: addWithOtherAddresses,
    },
    {
      name: `the agent is killed in the middle of ${isLong ? 100 : 5} ADDs that run on without it`,
      told: "ADD again, DEL, GC that lists it or not, or no more: each succeeds and leaves what it should",
      variants: ["nft", "legacy"],
      longTimes: 1,
      run: (world) => restartAgentOften(world, isLong ? 100 : 5),
    },
    {
      name: "thirty plugins at once: DELs beside ADDs of others, while rules change",
      told: "all succeed; neither record nor chain is left",
      variants: ["legacy"],
      longTimes: 1,
      run: (world) => comeAndGoAtOnce(world, isLong ? 20 : 2),
    },
    reboot({ first: "ADD", variants: ["nft"] }),
    reboot({ first: "watcher", variants: ["legacy"] }),
  ],
};

interface Reboot extends Pick<Scenario, "variants"> {
  readonly first: "ADD" | "watcher";
}

function reboot({ first, variants }: Reboot): Scenario {
  const then = first === "ADD" ? "the watcher later" : "ADD later";
  return {
    name: `the host reboots: no chains, no state, the cache is there; first ${first}, ${then}`,
    told: "nothing forbidden passes once the container is on; it has its rules from the cache; CHECK passes",
    variants,
    startsWith: "closed",
    lostBoundMs: 10_000,
    run: (world) => rebootHost(world, { first }),
  };
}
