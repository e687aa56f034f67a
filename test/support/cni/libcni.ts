import type { Json, JsonObject } from "../json.ts";
import type { ClientNode } from "../network-namespace.ts";
import type { Conflist, PluginConfig } from "./conflist.ts";
import { type CniCommand, CniFailure, type PluginRun, runPlugin } from "./plugin.ts";
import { dropResult, listResults, readResult, writeResult } from "./result-cache.ts";

/** What libcni is told of one attachment besides the conflist. */
export interface Attaching {
  readonly containerId: string;
  readonly netns: string;
  /** Default eth0, as with Nomad. */
  readonly ifname?: string;
  /** CNI_ARGS, as it is. Not passed on DEL, as Nomad does not. */
  readonly args?: string;
  readonly portMappings?: readonly PortMapping[];
}

export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  /** Default: all of the host's. */
  readonly hostIp?: string;
}

/** In place of the cached result: another one, or none. */
export type PrevResult = JsonObject | "none";

/**
 * ADD through the list, in order, each plugin given the result of the one before; the last result is cached and returned.
 * Stops at the first plugin that fails, undoes nothing, caches nothing, and throws a `CniFailure`.
 */
export async function addNetwork(node: ClientNode, conflist: Conflist, attaching: Attaching): Promise<JsonObject> {
  let result: JsonObject | undefined;
  for (const plugin of conflist.plugins) {
    const config = inject(conflist, plugin, { attaching, prevResult: result });
    const { json } = await runOrThrow(node, plugin, { ...environment(attaching), command: "ADD", config });
    if (!isObject(json)) throw new Error(`Cannot read result: ${plugin.type} printed ${JSON.stringify(json)}`);
    result = json;
  }
  if (result === undefined) throw new Error(`Cannot add network: ${conflist.name} has no plugins`);
  await writeResult(node, { kind: "cniCacheV1", ...cacheKey(conflist, attaching), netns: attaching.netns, result });
  return result;
}

/** DEL through the list in reverse order, without CNI_ARGS. Stops at the first failure, and then keeps the cached result. */
export async function delNetwork(
  node: ClientNode,
  conflist: Conflist,
  attaching: Omit<Attaching, "args">,
  options: { readonly prevResult?: PrevResult } = {},
): Promise<void> {
  const prevResult = await prevResultFor(node, conflist, attaching, options);
  for (const plugin of conflist.plugins.toReversed()) {
    const config = inject(conflist, plugin, { attaching, prevResult });
    await runOrThrow(node, plugin, { ...environment({ ...attaching, args: "" }), command: "DEL", config });
  }
  await dropResult(node, cacheKey(conflist, attaching));
}

/** CHECK through the list, in order; nothing where the list says `disableCheck`. */
export async function checkNetwork(
  node: ClientNode,
  conflist: Conflist,
  attaching: Attaching,
  options: { readonly prevResult?: PrevResult } = {},
): Promise<void> {
  if (!isAtLeast(conflist.cniVersion, "0.4.0")) {
    throw new Error(`Cannot check network: configuration version ${conflist.cniVersion} has no CHECK`);
  }
  if (conflist.disableCheck === true) return;
  const prevResult = await prevResultFor(node, conflist, attaching, options);
  for (const plugin of conflist.plugins) {
    const config = inject(conflist, plugin, { attaching, prevResult });
    await runOrThrow(node, plugin, { ...environment(attaching), command: "CHECK", config });
  }
}

/**
 * DEL for each cached attachment to this network that is not in `valid`, then, from CNI 1.1.0 on, the GC verb for each
 * plugin. Goes on after failures, and throws them together at the end.
 */
export async function gcNetwork(
  node: ClientNode,
  conflist: Conflist,
  valid: readonly Pick<Attaching, "containerId" | "ifname">[],
): Promise<void> {
  if (conflist.disableGC === true) return;
  const attachments = valid.map(({ containerId, ifname = "eth0" }) => ({ containerID: containerId, ifname }));
  const failures: unknown[] = [];
  const attempt = (work: Promise<unknown>) => work.catch((error: unknown) => failures.push(error));
  for (const { networkName, containerId, ifName, netns } of await listResults(node)) {
    const isValid = attachments.some((known) => known.containerID === containerId && known.ifname === ifName);
    if (networkName !== conflist.name || isValid) continue;
    await attempt(delNetwork(node, conflist, { containerId, ifname: ifName, netns }));
  }
  if (isAtLeast(conflist.cniVersion, "1.1.0")) {
    const keys = { "cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments };
    for (const plugin of conflist.plugins) {
      await attempt(runOrThrow(node, plugin, { command: "GC", config: { ...inject(conflist, plugin), ...keys } }));
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, `Cannot collect garbage of ${conflist.name}`);
}

/** The STATUS verb for each plugin, from CNI 1.1.0 on; throws the first failure. */
export async function statusNetwork(node: ClientNode, conflist: Conflist): Promise<void> {
  if (!isAtLeast(conflist.cniVersion, "1.1.0")) return;
  for (const plugin of conflist.plugins) {
    await runOrThrow(node, plugin, { command: "STATUS", config: inject(conflist, plugin) });
  }
}

/** A plugin's configuration as libcni makes it from its entry in the list; `capabilities` stays in, as there. */
function inject(
  conflist: Conflist,
  plugin: PluginConfig,
  given: { readonly attaching?: Attaching; readonly prevResult?: JsonObject | undefined } = {},
): JsonObject {
  const { prevResult, attaching } = given;
  const wantsPorts = isObject(plugin["capabilities"]) && plugin["capabilities"]["portMappings"] === true;
  return {
    ...plugin,
    name: conflist.name,
    cniVersion: conflist.cniVersion,
    ...(prevResult && { prevResult }),
    ...(wantsPorts && attaching && { runtimeConfig: { portMappings: goCniPorts(attaching.portMappings ?? []) } }),
  };
}

/** Nomad passes each port for both protocols; go-cni's type has no JSON names, hence the capitals. */
function goCniPorts(mappings: readonly PortMapping[]): Json {
  return mappings.flatMap(({ hostPort, containerPort, hostIp = "" }) =>
    ["tcp", "udp"].map((protocol) => ({
      HostPort: hostPort,
      ContainerPort: containerPort,
      Protocol: protocol,
      HostIP: hostIp,
    })),
  );
}

async function runOrThrow(node: ClientNode, plugin: PluginConfig, run: PluginRun & { readonly command: CniCommand }) {
  const outcome = await runPlugin(node, plugin.type, run);
  if (outcome.exitCode !== 0) throw new CniFailure(plugin.type, run.command, outcome);
  return outcome;
}

function environment({ containerId, netns, ifname = "eth0", args = "" }: Attaching) {
  return { containerId, netns, ifname, args };
}

async function prevResultFor(
  node: ClientNode,
  conflist: Conflist,
  attaching: Attaching,
  { prevResult }: { readonly prevResult?: PrevResult },
): Promise<JsonObject | undefined> {
  if (prevResult === "none" || !isAtLeast(conflist.cniVersion, "0.4.0")) return undefined;
  return prevResult ?? (await readResult(node, cacheKey(conflist, attaching)))?.result;
}

function cacheKey({ name }: Conflist, { containerId, ifname = "eth0" }: Attaching) {
  return { networkName: name, containerId, ifName: ifname };
}

function isAtLeast(version: string, least: string): boolean {
  return version.localeCompare(least, "en", { numeric: true }) >= 0;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
