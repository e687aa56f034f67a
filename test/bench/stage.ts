import type { Conflist } from "../support/cni/conflist.ts";
import { exampleConflist } from "../support/cni/conflist.ts";
import type { NomadIdentity } from "../support/cni/nomad-args.ts";
import type { ConsulAgent } from "../support/consul-agent.ts";
import type { JsonObject } from "../support/json.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { inBothFamilies } from "../support/saved-rules.ts";
import type { Variant } from "../support/variant.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import type { Executables } from "./executables.ts";
import type { Sizes } from "./options.ts";

/** What every section is given. */
export interface Bench {
  readonly sizes: Sizes;
  readonly executables: Executables;
  readonly consulBinary: string;
  /** A node for as long as `work` runs, and gone whatever happens. */
  readonly withNode: <T>(backend: Variant, work: (node: ClientNode) => Promise<T>) => Promise<T>;
  /** Says what is being done, for whoever waits. */
  readonly tell: (what: string) => void;
}

/** A conflist with this many static rules; each is one rule in each family. */
export function benchConflist(node: ClientNode, { rules }: { readonly rules: number }): Conflist {
  const outboundRules = Array.from({ length: rules }, (_, index): JsonObject => {
    const host = [`10.${index}.0.0/16`, `fd00:${index.toString(16)}::/32`];
    return { host, proto: "tcp", port: 1000 + index, action: "ACCEPT" };
  });
  return exampleConflist(node, { portmap: false, outbound: { outboundRules } });
}

/** Ten allocations of each job in namespace default; job web first, of which the node's real container is too. */
export function identityOf(number: number): NomadIdentity {
  const job = Math.floor((number + 1) / 10);
  return { region: "global", namespace: "default", job: job === 0 ? "web" : `job-${job}`, group: "app" };
}

/** As the firewall plugin leaves it before ours is run: its chain, first in FORWARD (plugins/meta/firewall). */
export async function addFirewallChain(node: ClientNode): Promise<void> {
  await inBothFamilies(node, "-N CNI-FORWARD", "-I FORWARD -j CNI-FORWARD");
}

/** Folder keys: Consul wakes a query on a prefix without any key for writes that have nothing to do with it. */
export async function putFolders(consul: ConsulAgent, node: ClientNode): Promise<void> {
  for (const folder of ["global", `node/${node.name}`, "network/egress", "namespace/default"]) {
    await consul.put(`outbound/rules/${folder}/`, "");
  }
}

export interface WatchingOptions {
  readonly attachments: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A watcher that is in sync and knows as many attachments as it should, for as long as `work` runs. */
export async function whileWatching<T>(
  node: ClientNode,
  { attachments, env = {} }: WatchingOptions,
  work: (watcher: Watcher) => Promise<T>,
): Promise<T> {
  const watcher = await startWatcher(node, { env });
  try {
    await watcher.waitForLine("In sync with Consul", { timeoutMs: 60_000 });
    await expectInSync(watcher, attachments);
    const found = await work(watcher);
    await expectInSync(watcher, attachments);
    return found;
  } finally {
    await watcher.stop();
  }
}

async function expectInSync(watcher: Watcher, attachments: number): Promise<void> {
  const metrics = await watcher.metrics();
  if (metrics["outbound_in_sync"] === 1 && metrics["outbound_attachments"] === attachments) return;
  throw new Error(`Cannot go on: the watcher is not in sync on ${attachments} attachments: ${JSON.stringify(metrics)}`);
}
