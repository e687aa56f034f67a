import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { acceptTo, untilVerdict } from "../e2e/running-node.ts";
import { ensurePackages, libfaketime } from "../setup/packages.ts";
import { createContainer } from "../support/container.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { monotonicMs } from "../support/wait.ts";
import type { LogLine } from "../support/watcher.ts";
import { followsOpposite } from "./consul-direct.ts";
import { allChecked, type NodeWorld, startNodeWorld } from "./node-world.ts";
import type { Group } from "./support/scenario.ts";

const EXPIRING = "namespace/default/job/web/expires";
const PORT = 1003;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Expiry is looked at every second. */
const SEEN_MS = 4_000;

/** The watcher runs with libfaketime: its wall clock jumps, the machine's, which is everybody's, does not. */
export const nodeClock: Group<NodeWorld> = {
  name: "The node's clock",
  async start(backend, random) {
    await ensurePackages({ docker: false, clock: true });
    return startNodeWorld(backend, random, async (node) => {
      await setClock(node, "+0");
      return { watcher: { through: withClock(node) } };
    });
  },
  scenarios: [
    {
      name: "the clock is set forward by a day, and right again",
      told: "a rule set with an hour left is out of force in 4 s and stays so when the clock is right again, for a container that attaches then too; a new version of it comes into force",
      variants: ["nft"],
      async run(world) {
        await opens(world, HOUR_MS);
        await setClock(world.running.node, "+1d");
        await becomes(world, "timeout");
        await world.says("A rule set has expired");
        await isOff(world, DAY_MS);
        await followsOpposite(world);
        await newcomerIsClosed(world);
        await setClock(world.running.node, "+0");
        await isOff(world, 0);
        await newcomerIsClosed(world);
        await becomes(world, "timeout");
        await followsOpposite(world);
        await opens(world, 2 * HOUR_MS);
        await world.running.remove(EXPIRING);
        await becomes(world, "timeout");
        await allChecked(world);
      },
    },
    {
      name: "the clock is set back by a day, the watcher is killed and started then, and the clock is right again",
      told: "a rule set that has expired stays out of force, while the clock is wrong and after; one with an hour left goes on",
      variants: ["nft"],
      async run(world) {
        await opens(world, 6_000);
        await becomes(world, "timeout", 6_000 + SEEN_MS);
        await setClock(world.running.node, "-1d");
        await isOff(world, -DAY_MS);
        await world.holds(2_000);
        await becomes(world, "timeout");
        await followsOpposite(world);
        await world.watcher.kill();
        await world.startWatcher();
        await world.says("In sync with Consul", { timeoutMs: 10_000 });
        await world.holds(2_000);
        await becomes(world, "timeout");
        await newcomerIsClosed(world);
        await opens(world, HOUR_MS);
        await setClock(world.running.node, "+0");
        await isOff(world, 0);
        await followsOpposite(world);
        await becomes(world, "open");
        await world.running.remove(EXPIRING);
        await becomes(world, "timeout");
        await allChecked(world);
      },
    },
  ],
};

function clockFile({ directory }: ClientNode): string {
  return join(directory, "clock");
}

/**
 * What starts a program that reads that file at each look at the clock; durations go on as they are. What libfaketime
 * leaves in /dev/shm goes with the program.
 */
function withClock(node: ClientNode): readonly string[] {
  const env = [
    `LD_PRELOAD=${libfaketime}`,
    `FAKETIME_TIMESTAMP_FILE=${clockFile(node)}`,
    "FAKETIME_NO_CACHE=1",
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
  ];
  const script = `mount -t tmpfs cni-outbound-shm /dev/shm\nexec env ${env.join(" ")} "$0" "$@"`;
  return ["unshare", "-m", "--propagation", "private", "sh", "-ec", script];
}

/** `+1d`: that much besides what it really is. */
async function setClock(node: ClientNode, offset: string): Promise<void> {
  const file = clockFile(node);
  await writeFile(`${file}.new`, `${offset}\n`);
  await rename(`${file}.new`, file);
}

/** Waits until the watcher logs a time that is off by so much: it has been given a rule set that it rejects. */
async function isOff(world: NodeWorld, offMs: number): Promise<void> {
  const key = `namespace/default/job/web/tells-time-${offMs}-${monotonicMs().toFixed(0)}`;
  await world.running.put(key, "?");
  const isSo = ({ key: told, time }: LogLine) =>
    told === key && typeof time === "string" && Math.abs(Date.parse(time) - Date.now() - offMs) < HOUR_MS;
  await world.says("Rejected a rule set, nothing of it is in force", { where: isSo });
  await world.running.remove(key);
}

/** A new version of the rule set that opens the port, until so much later by the machine's clock. */
async function opens(world: NodeWorld, inMs: number): Promise<void> {
  const expiresAt = new Date(Date.now() + inMs).toISOString();
  await world.running.put(EXPIRING, { rules: acceptTo(world.running, PORT), expiresAt });
  await becomes(world, "open");
}

async function becomes(world: NodeWorld, verdict: "open" | "timeout", timeoutMs = SEEN_MS): Promise<void> {
  const { outside } = world.running;
  for (const address of [outside[4], outside[6]]) {
    await untilVerdict(world.container, { address, port: PORT }, verdict, { timeoutMs });
  }
}

/** Attached by plugins that have the watcher's clock. */
async function newcomerIsClosed(world: NodeWorld): Promise<void> {
  const { node, conflist, outside } = world.running;
  const exec: ClientNode["exec"] = (argv, options) => node.exec([...withClock(node), ...argv], options);
  const newcomer = await createContainer({ ...node, exec }, { conflist });
  try {
    await newcomer.add();
    for (const pauseMs of [0, 1_000]) {
      await world.holds(pauseMs);
      for (const address of [outside[4], outside[6]]) {
        const verdict = await newcomer.connect({ address, port: PORT, timeoutMs: 200 });
        if (verdict !== "timeout") throw new Error(`What has expired must be closed: ${address} is ${verdict}`);
      }
      await allChecked(world, [newcomer]);
    }
  } finally {
    await newcomer.detach();
  }
}
