import { join } from "node:path";
import { attachmentChainNames } from "../../../lib/netfilter/names.ts";
import type { CommandOutcome } from "../command.ts";
import type { Container } from "../container.ts";
import { type Json, type JsonObject, parseOwnJson } from "../json.ts";
import type { ClientNode } from "../network-namespace.ts";
import type { Conflist } from "./conflist.ts";
import type { CniCommand } from "./plugin.ts";

/** The executable under test. */
export const outboundPath = join(import.meta.dirname, "..", "..", "..", "dist", "outbound");

/** A run of our plugin alone, for a container of which the rest of the chain may know nothing. */
export interface OutboundRun {
  readonly conflist: Conflist;
  readonly command: CniCommand;
  readonly containerId: string;
  /** Default: one that cannot be opened. */
  readonly netns?: string;
  readonly args?: string;
  readonly prevResult?: JsonObject;
  /** Over the configuration that the conflist gives; a string is all of stdin. */
  readonly config?: JsonObject | string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface OutboundOutcome extends CommandOutcome {
  /** What stdout holds, where it is JSON. */
  readonly json?: Json;
}

/** Runs our plugin on the node; never throws for what it does itself. */
export async function runOutbound(node: ClientNode, run: OutboundRun): Promise<OutboundOutcome> {
  const { conflist, containerId, prevResult, config = {} } = run;
  const plugin = conflist.plugins.find(({ type }) => type === "outbound");
  if (!plugin) throw new Error(`Cannot run outbound: ${conflist.name} does not list it`);
  const { name, cniVersion } = conflist;
  const given = { ...plugin, name, cniVersion, ...(prevResult && { prevResult }) };
  const input = typeof config === "string" ? config : JSON.stringify({ ...given, ...config });
  const outcome = await node.exec([outboundPath], {
    input,
    allowFailure: true,
    env: {
      CNI_COMMAND: run.command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: run.netns ?? "/var/run/netns/none",
      CNI_IFNAME: "eth0",
      CNI_ARGS: run.args,
      CNI_PATH: node.pluginDirs.join(":"),
      ...run.env,
    },
    ...(run.cwd !== undefined && { cwd: run.cwd }),
  });
  const json = parseJson(outcome.stdout);
  return json === undefined ? outcome : { ...outcome, json };
}

/** The same for a container of the node, with what the rest of the chain gave it. */
export function runOutboundFor(
  node: ClientNode,
  container: Container,
  run: Omit<OutboundRun, "containerId" | "netns">,
): Promise<OutboundOutcome> {
  const { containerId, path: netns, attaching, result } = container;
  const args = run.command === "DEL" ? {} : { args: attaching.args ?? "" };
  return runOutbound(node, { containerId, netns, prevResult: result, ...args, ...run });
}

/** A result that gives these addresses to a container without a network of its own. */
export function resultOf(...addresses: readonly string[]): JsonObject {
  return { cniVersion: "1.0.0", interfaces: [], ips: addresses.map((address) => ({ address })) };
}

/** The chain of a container in this network. */
export function chainOf(conflist: Conflist, containerId: string): string {
  return attachmentChainNames({ network: conflist.name, containerId, ifname: "eth0" })[0];
}

function parseJson(text: string): Json | undefined {
  try {
    return parseOwnJson(text);
  } catch {
    return undefined;
  }
}
