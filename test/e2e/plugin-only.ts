import { type PluginOutcome, type PluginRun, runPlugin } from "../support/cni/plugin.ts";
import type { Container } from "../support/container.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import type { RunningNode } from "./running-node.ts";

/** An attachment of which only our plugin is told: addresses and an interface that nothing really has. */
export interface PluginOnly {
  readonly runs: { readonly ADD: PluginRun; readonly DEL: PluginRun };
  add(): Promise<void>;
  del(): Promise<void>;
}

/**
 * `number` makes its id, addresses and interface; `netns` is one that exists, so that a watcher does not take it for
 * one that has gone. Odd numbers run in namespace team-b, even ones in default.
 */
export function createPluginOnly(running: RunningNode, number: number, netns: Container): PluginOnly {
  const { node, conflist } = running;
  const plugin = conflist.plugins.find(({ type }) => type === "outbound");
  if (!plugin) throw new Error("Cannot find outbound in the conflist");
  const containerId = `only-${number}`;
  const prevResult = {
    cniVersion: conflist.cniVersion,
    interfaces: [
      { name: `fake${number}`, mac: "02:00:00:00:00:01" },
      { name: "eth0", mac: "02:00:00:00:00:02", sandbox: netns.path },
    ],
    ips: [
      { interface: 1, address: `10.77.${number >> 8}.${number & 255}/16` },
      { interface: 1, address: `fd00:77::${number.toString(16)}/64` },
    ],
  };
  const config = { ...plugin, name: conflist.name, cniVersion: conflist.cniVersion, prevResult };
  const place = { config, containerId, netns: netns.path, ifname: "eth0" };
  const namespace = number % 2 === 0 ? "default" : "team-b";
  const args = `IgnoreUnknown=true;NOMAD_NAMESPACE=${namespace};NOMAD_JOB_ID=web;NOMAD_GROUP_NAME=app`;
  const runs = { ADD: { ...place, command: "ADD", args }, DEL: { ...place, command: "DEL" } } as const;
  return { runs, add: () => runOrThrow(node, runs.ADD), del: () => runOrThrow(node, runs.DEL) };
}

async function runOrThrow(node: ClientNode, run: PluginRun): Promise<void> {
  const outcome: PluginOutcome = await runPlugin(node, "outbound", run);
  if (outcome.exitCode !== 0) throw new Error(`Cannot ${run.command} ${run.containerId}: ${outcome.stdout}`);
}
