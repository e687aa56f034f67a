import { acceptTo, families, untilVerdict } from "../e2e/running-node.ts";
import { parseRuleset } from "../../lib/netfilter/parse-ruleset.ts";
import type { Conflist } from "../support/cni/conflist.ts";
import { chainOf, runOutboundFor } from "../support/cni/outbound.ts";
import type { Container } from "../support/container.ts";
import { type JsonObject, parseOwnJson } from "../support/json.ts";
import { createTracer } from "../support/tracer.ts";
import { waitUntil } from "../support/wait.ts";
import { nothingIsLeft } from "./kills-agreement.ts";
import { withoutOutbound } from "./kills-plugin.ts";
import type { World } from "./support/world.ts";

const ADDRESSES = { 4: "10.88.77.7", 6: "fd00:88::7707" } as const;
const OLD_KEY = "namespace/default/job/web/olds";
const NEW_KEY = "namespace/team-b/job/batch/heirs";
const OLD_PORT = 1005;
const NEW_PORT = 1006;
const GONE = "Removed an attachment whose network namespace has gone without DEL";

/**
 * A container goes without DEL, and another job's gets its addresses and the name of its interface: it never has what
 * the old one might do, and has its own.
 */
export async function inheritNothing(world: World, { isWatched }: { readonly isWatched: boolean }): Promise<void> {
  const { running } = world;
  const { node } = running;
  const conflist = withAddresses(running.conflist);
  await running.put(OLD_KEY, acceptTo(running, OLD_PORT));
  await running.put(NEW_KEY, acceptTo(running, NEW_PORT));
  const old = await node.attach({ conflist });
  for (const family of families) await untilVerdict(old, { address: running.outside[family], port: OLD_PORT }, "open");
  if (!isWatched) await world.watcher.kill();
  const { hostInterface } = old;
  await old.close();
  const isGone = async () => !(await node.exec(["ip", "-o", "link"])).stdout.includes(`${hostInterface}@`);
  await waitUntil(isGone, { what: "its interface to go" });

  const heir = await node.attach({
    conflist: withoutOutbound(conflist),
    identity: { region: "global", namespace: "team-b", job: "batch", group: "app" },
  });
  const drawn = heir.hostInterface;
  await node.ip(`link set ${drawn} down`, `link set ${drawn} name ${hostInterface}`, `link set ${hostInterface} up`);
  const prevResult = parseOwnJson<JsonObject>(JSON.stringify(heir.result).replaceAll(drawn, hostInterface));
  const run = async (command: "ADD" | "CHECK" | "DEL") => {
    const outcome = await runOutboundFor(node, heir, { conflist, command, prevResult });
    if (outcome.exitCode !== 0) throw new Error(`Cannot ${command} the heir: ${outcome.stdout}`);
  };
  await run("ADD");
  const judge = async () => {
    await run("CHECK");
    await trace(world, { heir, old, conflist, hostInterface });
    for (const family of families) {
      const denied = { address: running.outside[family], port: OLD_PORT };
      if (await heir.canReach(denied)) throw new Error(`Cannot accept: the heir reaches ${denied.address}`);
    }
  };
  await judge();
  if (!isWatched) await world.startWatcher();
  for (const family of families) await untilVerdict(heir, { address: running.outside[family], port: NEW_PORT }, "open");
  await judge();
  await world.says(GONE, { where: ({ allocation }) => allocation === old.containerId, timeoutMs: 15_000 });
  await judge();
  for (const family of families) await untilVerdict(heir, { address: running.outside[family], port: NEW_PORT }, "open");
  await run("DEL");
  await heir.detach();
  await running.remove(OLD_KEY);
  await running.remove(NEW_KEY);
  await nothingIsLeft(world);
}

interface Traced {
  readonly heir: Container;
  readonly old: Container;
  readonly conflist: Conflist;
  readonly hostInterface: string;
}

/** By the listed rules: its packets are judged in its own chain, and in no other container's. */
async function trace({ running }: World, { heir, old, conflist, hostInterface }: Traced): Promise<void> {
  for (const family of families) {
    const { stdout } = await running.node.exec([family === 4 ? "iptables-save" : "ip6tables-save", "-t", "filter"]);
    const traced = createTracer(parseRuleset(stdout))({
      start: "CNI-OUTBOUND",
      packet: {
        family,
        source: ADDRESSES[family],
        destination: running.outside[family],
        protocol: "tcp",
        port: OLD_PORT,
        inInterface: "cni0",
        bridgePort: hostInterface,
      },
    });
    const isRight = traced.path[1] === chainOf(conflist, heir.containerId) && traced.verdict === "drop";
    if (!isRight || traced.path.includes(chainOf(conflist, old.containerId))) {
      throw new Error(`Cannot accept the rules: IPv${family} ${traced.verdict} by ${traced.path.join(", ")}`);
    }
  }
}

/** The same addresses for each. */
function withAddresses(conflist: Conflist): Conflist {
  const ipam = {
    type: "static",
    addresses: [
      { address: `${ADDRESSES[4]}/16`, gateway: "10.88.0.1" },
      { address: `${ADDRESSES[6]}/64`, gateway: "fd00:88::1" },
    ],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  };
  return {
    ...conflist,
    plugins: conflist.plugins.map((plugin) => (plugin.type === "bridge" ? { ...plugin, ipam } : plugin)),
  };
}
