import { createPluginOnly } from "../e2e/plugin-only.ts";
import { acceptTo, families, untilVerdict } from "../e2e/running-node.ts";
import { runOutboundFor } from "../support/cni/outbound.ts";
import type { JsonObject } from "../support/json.ts";
import { chainRules } from "../support/saved-rules.ts";
import { nothingIsLeft } from "./kills-agreement.ts";
import { mustRun } from "./kills-plugin.ts";
import { startChanging } from "./kills-rules.ts";
import type { World } from "./support/world.ts";

const AT_ONCE = 15;

/** Each round, 15 containers come while 15 others go: 30 plugins at once, and rules change meanwhile. */
export async function comeAndGoAtOnce(world: World, rounds: number): Promise<void> {
  const { running } = world;
  const changing = startChanging(running, world.random);
  const generation = (round: number) =>
    Array.from({ length: AT_ONCE }, (_, index) => createPluginOnly(running, round * AT_ONCE + index, world.container));
  try {
    for (let round = 0; round <= rounds; round++) {
      const coming = round < rounds ? generation(round) : [];
      const going = round > 0 ? generation(round - 1) : [];
      const runs = [...coming.map(({ runs: { ADD } }) => ADD), ...going.map(({ runs: { DEL } }) => DEL)];
      const took = await Promise.all(runs.map((run) => mustRun(running.node, run)));
      world.note(`the slowest of ${AT_ONCE * 2}`, Math.max(...took));
    }
  } finally {
    await changing.stop();
  }
  await nothingIsLeft(world);
}

/** DEL for a container whose network namespace is gone, as after a reboot of the agent's machine or a `docker rm`. */
export async function deleteWithoutNetns(world: World): Promise<void> {
  for (const options of [{}, { prevResult: "none" }] as const) {
    const container = await world.running.node.attach({ conflist: world.running.conflist });
    await container.close();
    await container.del(options);
    await nothingIsLeft(world);
  }
}

const KEY = "namespace/default/job/web/moves";

/** ADD again without DEL, with other addresses: they are filtered and have the rules from KV, the old ones are nobody's. */
export async function addWithOtherAddresses(world: World): Promise<void> {
  const { running } = world;
  const { node, conflist } = running;
  await running.put(KEY, acceptTo(running, 1008));
  const container = await node.attach({ conflist });
  const [v4, v6] = ["10.88.66.6", "fd00:88::6606"];
  const old = { 4: container.v4, 6: container.v6 };
  await container.ip(`addr add ${v4}/16 dev eth0`, `addr add ${v6}/64 dev eth0 preferred_lft 0 nodad`);
  const ips = [v4, v6].map((address): JsonObject => ({
    address: `${address}/${address === v4 ? 16 : 64}`,
    interface: 2,
  }));
  const outcome = await runOutboundFor(node, container, {
    conflist,
    command: "ADD",
    prevResult: { ...container.result, ips },
  });
  if (outcome.exitCode !== 0) throw new Error(`Cannot ADD again: ${outcome.stdout}`);
  for (const family of families) {
    const from = family === 4 ? v4 : v6;
    const to = { address: running.outside[family], port: 1008 };
    await untilVerdict(container, { ...to, from }, "open");
    for (const denied of [
      { ...to, port: 1009, from },
      { ...to, from: old[family] },
    ]) {
      if (await container.canReach(denied)) throw new Error(`Cannot accept: ${denied.from} reaches ${denied.port}`);
    }
    const leading = await chainRules(node, "CNI-OUTBOUND", family);
    if (leading.some((rule) => rule.includes(`-s ${old[family]}/`))) throw new Error("Cannot accept: the old leads on");
  }
  await running.put(KEY, acceptTo(running, 1009));
  for (const family of families) {
    const from = family === 4 ? v4 : v6;
    await untilVerdict(container, { address: running.outside[family], port: 1009, from }, "open");
  }
  await container.detach();
  await running.remove(KEY);
  await nothingIsLeft(world);
}
