import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ensureConsul } from "../../setup/consul.ts";
import { findNomad } from "../../setup/nomad.ts";
import { ensurePackages } from "../../setup/packages.ts";
import type { Conflist } from "../../support/cni/conflist.ts";
import { type ConsulAgent, startConsul } from "../../support/consul-agent.ts";
import { parseOwnJson } from "../../support/json.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { type NomadAgent, startNomad } from "./nomad-agent.ts";
import { serveReleases } from "./release.ts";

export const repository = join(import.meta.dirname, "..", "..", "..");

/** Reached by the static rules; the port is listened on at these addresses, of either family. */
export const ALLOWED_PORT = 80;
/** Reached with a rule in KV only. */
export const FIRST_PORT = 1000;
/** Reached in no test but where it is said. */
export const DENIED_PORT = 2000;

/** A node with Nomad, server and client in one, and Consul with ACLs. Nothing of outbound is on it. */
export interface Cluster {
  readonly node: ClientNode;
  readonly consul: ConsulAgent;
  readonly agent: NomadAgent;
  readonly conflist: Conflist;
  /** Of the world outside, by family. */
  readonly outside: { readonly 4: string; readonly 6: string };
  readonly publish: Awaited<ReturnType<typeof serveReleases>>;
  /** Consul's own command line, by who may do all, in the repository's folder. */
  consulCommand(...words: readonly string[]): Promise<string>;
  /** Writes a rule set; the key is relative to `outbound/rules/`. */
  put(key: string, value: Parameters<ConsulAgent["put"]>[1]): Promise<void>;
  /** Done when the cluster is closed, before all else. */
  readonly onClose: (action: () => Promise<void>) => void;
  close(): Promise<void>;
}

interface ClusterOptions {
  readonly nomadAcl?: boolean;
}

export async function startCluster({ nomadAcl = false }: ClusterOptions = {}): Promise<Cluster> {
  const binary = await findNomad();
  await ensurePackages({ docker: false });
  const node = await createNode({ backend: "nft", name: "n1" });
  const closing: (() => Promise<void>)[] = [() => node.close()];
  const close = async () => {
    for (const each of closing.toReversed()) await each();
  };
  try {
    const consulBinary = await ensureConsul();
    const consul = await startConsul({ binary: consulBinary, inNamespace: node, acl: true });
    closing.push(() => consul.close());
    const outside = { 4: node.outside.v4[0], 6: node.outside.v6[0] };
    const ports = [ALLOWED_PORT, ...Array.from({ length: 10 }, (_, index) => FIRST_PORT + index)];
    await node.outside.listen({ addresses: [outside[4], outside[6]], ports });
    const agent = await startNomad(node, { binary, consul, acl: nomadAcl });
    closing.push(() => agent.close());
    await installPlugins(node, agent);
    return {
      node,
      consul,
      agent,
      conflist: await exampleConflist(outside),
      outside,
      publish: await serveReleases(node),
      async consulCommand(...words) {
        const env = { CONSUL_HTTP_TOKEN: consul.token };
        return (await node.exec([consulBinary, ...words], { env, cwd: repository })).stdout;
      },
      put: (key, value) => consul.put(`outbound/rules/${key}`, value),
      onClose: (action) => void closing.push(action),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The one that we hand out, but for what its static rules let through. */
async function exampleConflist(outside: Cluster["outside"]): Promise<Conflist> {
  const text = await readFile(join(repository, "deploy", "conflist", "my-network.conflist"), "utf8");
  const conflist = parseOwnJson<Conflist>(text);
  const outboundRules = ["tcp", "udp"].map((proto) => ({
    host: [outside[4], outside[6]],
    proto,
    port: ALLOWED_PORT,
    action: "ACCEPT",
  }));
  const plugins = conflist.plugins.map((plugin) =>
    plugin.type === "outbound" ? { ...plugin, outboundRules } : plugin,
  );
  return { ...conflist, plugins };
}

/**
 * Debian's plugins, where a client has its own. Nomad runs CHECK only where the bridge plugin says that it is 1.3.0 or
 * later, whose CHECK works with a rebooted host; Debian's is older, and its CHECK works here.
 */
async function installPlugins(node: ClientNode, agent: NomadAgent): Promise<void> {
  const file = join(node.directory, "bridge");
  const about = 'if [ -z "$CNI_COMMAND" ]; then echo CNI bridge plugin v1.3.0; exit 0; fi';
  await writeFile(file, `#!/bin/sh\n${about}\nexec /usr/lib/cni/bridge\n`, { mode: 0o755 });
  await agent.exec(["sh", "-ec", "cp /usr/lib/cni/* /opt/cni/bin; rm /opt/cni/bin/bridge; cp $0 /opt/cni/bin", file]);
  await agent.reload();
}

const versionSchema = z.object({ Attributes: z.record(z.string(), z.string()) });

/** What the client has noticed of a plugin; undefined: nothing. */
export async function pluginVersion({ agent }: Cluster, plugin: string): Promise<string | undefined> {
  const [self] = z.array(z.object({ ID: z.string() })).parse(await agent.api("nodes"));
  const { Attributes } = versionSchema.parse(await agent.api(`node/${self?.ID}`));
  return Attributes[`plugins.cni.version.${plugin}`];
}
