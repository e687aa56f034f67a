import { rm } from "node:fs/promises";
import { runOutboundFor } from "../support/cni/outbound.ts";
import { runPlugin } from "../support/cni/plugin.ts";
import { monotonicMs } from "../support/wait.ts";
import type { World } from "./support/world.ts";

/** How long the container may be off. */
const BOOT_MS = 20_000;

/**
 * The host's kernel and /run forget all, the cache stays; the container is off until its ADD has succeeded, as none
 * runs before. What it may do then is what the cache says, with or without a watcher.
 */
export async function rebootHost(world: World, { first }: { readonly first: "ADD" | "watcher" }): Promise<void> {
  const { running, container } = world;
  const { node, conflist } = running;
  // Otherwise it would hold rules from KV only by what is cached from before the scenario.
  await world.follows("open", { sinceMs: await world.write("open") });
  await world.watcher.kill();
  const offMs = monotonicMs();
  // Not by its link: what waits for that would be sent once it is up.
  await container.exec(["nft", "-f", "-"], {
    input: "table inet off { chain o { type filter hook output priority 0; drop; }; }",
  });
  await world.follows("closed", { sinceMs: offMs });
  for (const program of ["iptables", "ip6tables"]) {
    for (const what of ["-F", "-X"]) await node.exec([program, "-w", what]);
  }
  await rm(node.stateDir, { recursive: true });
  if (first === "watcher") {
    const watcher = await world.startWatcher();
    await watcher.waitForLine("In sync with Consul", { timeoutMs: 10_000 });
  }
  await addAgain(world);
  const onMs = monotonicMs();
  await container.exec(["nft", "delete", "table", "inet", "off"]);
  await world.follows("open", { sinceMs: onMs, withinMs: BOOT_MS });
  await world.holds(1_000);
  if (first === "ADD") {
    const watcher = await world.startWatcher();
    await watcher.waitForLine("In sync with Consul", { timeoutMs: 10_000 });
  }
  await world.holds(1_000);
  const checked = await runOutboundFor(node, container, { conflist, command: "CHECK" });
  if (checked.exitCode !== 0) throw new Error(`Cannot CHECK: ${checked.stdout}`);
}

/** What of the list works on the filter table; the bridge plugin would find its interface there already. */
async function addAgain({ running, container }: World): Promise<void> {
  const { node, conflist } = running;
  for (const plugin of conflist.plugins.filter(({ type }) => type === "firewall" || type === "outbound")) {
    const { containerId, path: netns, attaching, result: prevResult } = container;
    const outcome = await runPlugin(node, plugin.type, {
      command: "ADD",
      config: { ...plugin, name: conflist.name, cniVersion: conflist.cniVersion, prevResult },
      containerId,
      netns,
      ifname: "eth0",
      args: attaching.args ?? "",
    });
    if (outcome.exitCode !== 0) throw new Error(`Cannot ADD by ${plugin.type}: ${outcome.stdout}`);
  }
}
