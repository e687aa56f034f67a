import { symlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { exampleConflist } from "../support/cni/conflist.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import type { Container } from "../support/container.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import type { Variant } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";

/** The addresses of one thing, one a family. */
export interface Pair {
  readonly v4: string;
  readonly v6: string;
}

/** Somewhere behind the node's uplink; all of them answer on `port`. */
export const places = {
  database: { v4: "198.51.100.7", v6: "2001:db8:eeee::7" },
  other: { v4: "198.51.100.8", v6: "2001:db8:eeee::8" },
  forbidden: { v4: "198.51.100.66", v6: "2001:db8:eeee::66" },
} as const satisfies Record<string, Pair>;

export const port = 5432;

/** What the operator of the demo's cluster wrote into the conflist. */
const outboundRules = [{ host: Object.values(places.forbidden), action: "DROP", comment: "nobody, never" }];

export interface Stage {
  readonly node: ClientNode;
  readonly consul: ConsulAgent;
  readonly container: Container;
  /** Names of the network namespaces that were made. */
  readonly namespaces: readonly string[];
  /** Runs a line of shell on the node, where `consul` and `outbound` are in PATH; returns what it printed. */
  readonly shell: (line: string) => Promise<string>;
}

export interface StageOptions {
  readonly variant: Variant;
  readonly consulBinary: string;
  readonly outbound: string;
  /** Told what stands, once it stands. */
  readonly onReady: (what: string, text: string) => void;
}

/** Sets up a node with a container, Consul and the watcher on it for as long as `show` runs. */
export async function withStage(options: StageOptions, show: (stage: Stage) => Promise<void>): Promise<void> {
  const { onReady } = options;
  const node = await createNode({ backend: options.variant, name: "demo" });
  try {
    await installCommands(node, options);
    onReady("node", `network namespace ${node.namespace}, iptables-${options.variant}`);
    await node.outside.listen({ addresses: Object.values(places).flatMap(Object.values), ports: [port] });
    const container = await node.attach({ conflist: exampleConflist(node, { outbound: { outboundRules } }) });
    onReady("container", `job "web", ${container.v4} and ${container.v6},`);
    onReady("", "attached by bridge, firewall, portmap and, last, outbound");
    await withConsul(options, node, async (consul) => {
      onReady("Consul", "a real agent, on the node's port 8500");
      await withWatcher(node, async () => {
        onReady("watcher", "outbound watch, in sync with Consul");
        const shell: Stage["shell"] = async (line) => (await node.exec(["sh", "-c", line])).stdout;
        const namespaces = [node, node.outside, container].map(({ namespace }) => namespace);
        await show({ node, consul, container, namespaces, shell });
      });
    });
  } finally {
    await node.close();
  }
}

/** Puts `consul` and `outbound` where the node's shell finds them; `outbound` with the node's own directories. */
async function installCommands(node: ClientNode, { consulBinary, outbound }: StageOptions): Promise<void> {
  const bin = join(node.directory, "bin");
  const directories = `--state-dir ${quote(node.stateDir)} --cache-dir ${quote(node.cacheDir)}`;
  await symlink(resolve(consulBinary), join(bin, "consul"));
  const script = `#!/bin/sh\nexec ${quote(outbound)} "$@" ${directories}\n`;
  await writeFile(join(bin, "outbound"), script, { mode: 0o755 });
}

async function withConsul(
  { consulBinary }: StageOptions,
  node: ClientNode,
  work: (consul: ConsulAgent) => Promise<void>,
): Promise<void> {
  const consul = await startConsul({ binary: consulBinary, inNamespace: node });
  try {
    await work(consul);
  } finally {
    await consul.close();
  }
}

async function withWatcher(node: ClientNode, work: () => Promise<void>): Promise<void> {
  const watcher = await startWatcher(node);
  const isReady = () => watcher.ready().then(({ status }) => status === 200, failUnlessRunning(watcher));
  try {
    await waitUntil(isReady, { what: "the watcher to be in sync", timeoutMs: 15_000 });
    await work();
  } finally {
    void watcher.stop();
    await waitUntil(() => watcher.exitCode() !== undefined, { what: "the watcher to end", timeoutMs: 10_000 });
  }
}

/** Until it listens nobody answers. */
function failUnlessRunning(watcher: Watcher): () => false {
  return () => {
    if (watcher.exitCode() === undefined) return false;
    throw new Error(`Cannot start the watcher: it ended with ${watcher.exitCode()}`);
  };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
