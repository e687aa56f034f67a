import { kill } from "node:process";
import { chainOf } from "../support/cni/outbound.ts";
import { monotonicMs } from "../support/wait.ts";
import {
  allChecked,
  checkAlone,
  checkFails,
  jumpsIn,
  type NodeWorld,
  ownRules,
  repaired,
  savedTable,
  startNodeWorld,
} from "./node-world.ts";
import type { Group, Scenario } from "./support/scenario.ts";

/** DESIGN: what others change is repaired in under this. */
const REPAIR_MS = 10_000;
const DRIFT = "Somebody changed our chains, they are repaired";
const families = [4, 6] as const;

interface Disturbance extends Pick<Scenario, "name" | "variants"> {
  readonly disturb: (world: NodeWorld) => Promise<void>;
  /** What CHECK says of the flows' container meanwhile; left out where nothing of the protection is gone. */
  readonly checkSays?: RegExp;
  /** Without its chain of static rules a container is let through nothing. */
  readonly isClosing?: boolean;
  /** Whether the neighbour has lost its protection too; true where left out. */
  readonly isEverybodys?: boolean;
}

const NOT_REACHED = /CNI-OUTBOUND is not reached before other rules can accept|chain CNI-OUTBOUND is missing/;
const MISSING = /chain CNI-OUT\S* is missing|CNI-OUTBOUND does not lead to|rules are missing from/;

/** Other programs change the rules under us: each while the watcher runs, and while it is stopped so that CHECK sees it. */
export const nodeRules: Group<NodeWorld> = {
  name: "The node's rules changed by others",
  start: (backend, random) => startNodeWorld(backend, random),
  scenarios: [
    disturbed({
      name: "our jumps moved below the accepts of the firewall plugin",
      variants: ["nft", "legacy"],
      disturb: (world) => restore(world, (jumps) => jumps.flatMap((jump) => [`-D ${jump}`, `-A ${jump}`])),
      checkSays: NOT_REACHED,
    }),
    disturbed({
      name: "our jumps deleted",
      variants: ["nft"],
      disturb: (world) => restore(world, (jumps) => jumps.map((jump) => `-D ${jump}`)),
      checkSays: NOT_REACHED,
    }),
    disturbed({
      name: "our jumps doubled",
      variants: ["nft"],
      disturb: (world) => restore(world, (jumps) => jumps.map((jump) => `-A ${jump}`)),
    }),
    disturbed({
      name: "an accept of all put above our jumps",
      variants: ["nft"],
      disturb: (world) =>
        restore(world, (jumps) =>
          jumps.map((jump) => `-I ${jump.split(" ")[0]} 1 -j ACCEPT -m comment --comment other`),
        ),
      checkSays: NOT_REACHED,
    }),
    disturbed({
      name: "the chain of one container flushed",
      variants: ["nft"],
      disturb: (world) => {
        const chain = chainOf(world.running.conflist, world.container.containerId);
        return restore(world, () => [`-F ${chain}`]);
      },
      checkSays: MISSING,
      isEverybodys: false,
    }),
    disturbed({
      name: "all chains of ours flushed, one by one",
      variants: ["nft"],
      disturb: async (world) => {
        const chains = [...new Set((await ownRules(world.running.node)).match(/^-A (CNI-OUT\S*)/gm))];
        await run(world, (iptables) => chains.map((line) => [iptables, "-w", "-F", line.replace("-A ", "")]));
      },
      checkSays: MISSING,
      isClosing: true,
    }),
    disturbed({
      name: "`iptables -F FORWARD`",
      variants: ["nft"],
      disturb: (world) => run(world, (iptables) => [[iptables, "-w", "-F", "FORWARD"]]),
      checkSays: NOT_REACHED,
    }),
    disturbed({
      name: "`iptables -F`",
      variants: ["nft"],
      disturb: (world) => run(world, (iptables) => [[iptables, "-w", "-F"]]),
      checkSays: MISSING,
    }),
    disturbed({
      name: "`iptables -F` and `-X`",
      variants: ["nft", "legacy"],
      disturb: (world) => run(world, (iptables) => ["-F", "-X"].map((flag) => [iptables, "-w", flag])),
      checkSays: MISSING,
    }),
    disturbed({
      name: "a firewall reloads its saved table, without ours (`iptables-restore` without --noflush)",
      variants: ["nft"],
      disturb: async (world) => {
        for (const family of families) {
          const kept = (await savedTable(world.running.node, family))
            .split("\n")
            .filter((line) => !/CNI-OUT/.test(line));
          await world.running.node.exec([family === 4 ? "iptables-restore" : "ip6tables-restore"], {
            input: kept.join("\n"),
          });
        }
      },
      checkSays: MISSING,
    }),
    disturbed({
      name: "`nft flush ruleset`",
      variants: ["nft"],
      disturb: async (world) => {
        // Of iptables-legacy nft sees nothing: there a reload of an empty table is the same.
        if (world.running.node.backend === "nft") await world.running.node.exec(["nft", "flush", "ruleset"]);
        else await run(world, (iptables) => ["-F", "-X"].map((flag) => [iptables, "-w", flag]));
      },
      checkSays: MISSING,
    }),
  ],
};

function disturbed({
  name,
  variants,
  disturb,
  checkSays,
  isClosing = false,
  isEverybodys = true,
}: Disturbance): Scenario<NodeWorld> {
  const failing = isEverybodys ? "of every container" : "of this container alone";
  return {
    name,
    variants,
    told:
      checkSays === undefined
        ? "nothing is let through that must not be; CHECK stays good; log and drift counter"
        : `repaired in under ${REPAIR_MS / 1000} s; meanwhile CHECK fails ${failing}, then is good; log and drift counter`,
    startsWith: "closed",
    ...(checkSays !== undefined && { leakBoundMs: REPAIR_MS }),
    ...(isClosing && { lostBoundMs: REPAIR_MS }),
    async run(world) {
      const { node } = world.running;
      const before = await ownRules(node);
      const counted = await driftsOf(world);
      // Stopped, it repairs nothing while CHECK looks; what iptables-legacy's watcher would see later, it still does.
      kill(world.watcher.pid, "SIGSTOP");
      try {
        await disturb(world);
        if (checkSays === undefined) await allChecked(world);
        else await checkFails(world, world.container, checkSays);
        if (checkSays !== undefined && isEverybodys) await checkFails(world, world.neighbour, checkSays);
        if (checkSays !== undefined && !isEverybodys) await checkGood(world);
      } finally {
        kill(world.watcher.pid, "SIGCONT");
      }
      await expectRepair(world, { before, counted });
      if (node.backend === "nft") {
        const again = await driftsOf(world);
        await disturb(world);
        await expectRepair(world, { before, counted: again });
      }
    },
  };
}

interface Earlier {
  readonly before: string;
  readonly counted: number;
}

async function expectRepair(world: NodeWorld, { before, counted }: Earlier): Promise<void> {
  const sinceMs = monotonicMs();
  await repaired(world, before, REPAIR_MS);
  world.note("repaired", monotonicMs() - sinceMs);
  await world.measures(DRIFTS, (value) => value > counted);
  await world.says(DRIFT);
  await allChecked(world);
}

const DRIFTS = 'outbound_drift_repairs_total{family="ipv4"}';

async function driftsOf({ watcher }: NodeWorld): Promise<number> {
  return (await watcher.metrics())[DRIFTS] ?? 0;
}

async function checkGood(world: NodeWorld): Promise<void> {
  const failure = await checkAlone(world, world.neighbour);
  if (failure !== undefined) throw new Error(`CHECK of the neighbour must be good: ${failure}`);
}

/** Feeds both families' `iptables-restore --noflush` with lines made of our jumps, `FORWARD -m comment … -j CNI-OUTBOUND`. */
async function restore(world: NodeWorld, linesOf: (jumps: readonly string[]) => readonly string[]): Promise<void> {
  for (const family of families) {
    const jumps = jumpsIn(await savedTable(world.running.node, family));
    const input = ["*filter", ...linesOf(jumps), "COMMIT", ""].join("\n");
    const command = family === 4 ? "iptables-restore" : "ip6tables-restore";
    await world.running.node.exec([command, "-w", "5", "--noflush"], { input });
  }
}

async function run(world: NodeWorld, commandsOf: (iptables: string) => readonly (readonly string[])[]): Promise<void> {
  for (const command of [...commandsOf("iptables"), ...commandsOf("ip6tables")]) await world.running.node.exec(command);
}
