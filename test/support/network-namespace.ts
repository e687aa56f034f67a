import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AttachOptions, attachContainer, type Container, createContainer } from "./container.ts";
import { createNamespace, type Namespace } from "./namespace.ts";
import { linkVariant, type Variant } from "./variant.ts";

/** A network namespace that plays a Nomad client node, and another one that plays the world behind its uplink. */
export interface ClientNode extends Namespace {
  readonly name: string;
  readonly backend: Variant;
  /** Its own addresses on the uplink. */
  readonly v4: string;
  readonly v6: string;
  readonly outside: Outside;
  /** What every command on the node finds in its environment besides the test's own. */
  readonly env: Readonly<Record<string, string>>;
  /** Removed with the node. The directories below it are made by whoever needs them. */
  readonly directory: string;
  readonly stateDir: string;
  readonly cacheDir: string;
  /** libcni's result cache. */
  readonly resultsDir: string;
  /** host-local's dataDir. */
  readonly ipamDir: string;
  /** Where plugins are looked for, in order. */
  readonly pluginDirs: readonly string[];
  /** A container whose network is not attached yet. Closed with the node. */
  createContainer(options: AttachOptions): Promise<Container>;
  /**
   * Creates a container and runs ADD through the conflist. Where ADD fails it does what Nomad does, DEL and removal of
   * the network namespace, and throws the `CniFailure` of the ADD.
   */
  attach(options: AttachOptions): Promise<Container>;
}

/** The world: it routes all but its own networks to the node, so that containers are reached without masquerade. */
export interface Outside extends Namespace {
  /** Four addresses on the uplink's network. */
  readonly v4: readonly [string, string, string, string];
  readonly v6: readonly [string, string, string, string];
  /** Blocks of which it answers for every address, behind the uplink's network. */
  readonly block4: "198.51.100.0/24";
  readonly block6: "2001:db8:eeee::/64";
}

const outsideAddresses = {
  v4: ["192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13"],
  v6: ["2001:db8:ffff::10", "2001:db8:ffff::11", "2001:db8:ffff::12", "2001:db8:ffff::13"],
  block4: "198.51.100.0/24",
  block6: "2001:db8:eeee::/64",
} as const;

const nodeAddresses = { v4: "192.0.2.1", v6: "2001:db8:ffff::1" } as const;

/** There only where the module br_netfilter is loaded; loading it would change what the machine's own bridges do. */
const bridgeFilter = ["net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1"];

const projectDirectory = join(import.meta.dirname, "..", "..");

export interface NodeOptions {
  readonly backend: Variant;
  readonly name?: string;
  /** Looked into before `dist` and Debian's plugins. */
  readonly pluginDirs?: readonly string[];
}

/** Creates a node with both IP families forwarding. `close` removes all that was made for it, its containers included. */
export async function createNode(options: NodeOptions): Promise<ClientNode> {
  const directory = await mkdtemp(join(tmpdir(), "cni-outbound-node-"));
  const bin = join(directory, "bin");
  await linkVariant(bin, options.backend);
  const env = { PATH: [bin, process.env["PATH"], "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(":") };
  const [host, outside] = await Promise.all([createNamespace("node", env), createNamespace("out")]);
  const containers: Container[] = [];
  const close = async () => {
    await Promise.all([...containers, host, outside].map((namespace) => namespace.close()));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await connectToOutside(host, outside);
  } catch (error) {
    await close();
    throw error;
  }

  const node: ClientNode = {
    ...host,
    ...nodeAddresses,
    name: options.name ?? host.namespace,
    backend: options.backend,
    outside: { ...outside, ...outsideAddresses },
    env,
    directory,
    stateDir: join(directory, "state"),
    cacheDir: join(directory, "cache"),
    resultsDir: join(directory, "results"),
    ipamDir: join(directory, "ipam"),
    pluginDirs: [...(options.pluginDirs ?? []), join(projectDirectory, "dist"), "/usr/lib/cni"],
    async createContainer(attachOptions) {
      const container = await createContainer(node, attachOptions);
      containers.push(container);
      return container;
    },
    attach: (attachOptions) => attachContainer(node, attachOptions),
    close,
  };
  return node;
}

async function connectToOutside(host: Namespace, outside: Namespace): Promise<void> {
  await Promise.all([
    host.setSysctls([
      "net.ipv4.ip_forward=1",
      "net.ipv6.conf.all.forwarding=1",
      ...(existsSync("/proc/sys/net/bridge") ? bridgeFilter : []),
      // A packet with a wrong source is for the firewall to stop, not for the router.
      "net.ipv4.conf.all.rp_filter=0",
      "net.ipv4.conf.default.rp_filter=0",
      // Or only the first few REJECTs would be told to the sender.
      "net.ipv4.icmp_ratelimit=0",
      "net.ipv6.icmp.ratelimit=0",
    ]),
    outside.setSysctls([
      "net.ipv4.conf.all.rp_filter=0",
      "net.ipv4.conf.default.rp_filter=0",
      "net.ipv4.icmp_ratelimit=0",
      "net.ipv6.icmp.ratelimit=0",
      "net.ipv6.ip_nonlocal_bind=1",
    ]),
  ]);
  await host.ip(`link add uplink type veth peer name uplink netns ${outside.namespace}`);
  const { v4, v6, block4, block6 } = outsideAddresses;
  await host.ip(
    "link set lo up",
    "link set uplink up",
    `addr add ${nodeAddresses.v4}/24 dev uplink`,
    `addr add ${nodeAddresses.v6}/64 dev uplink nodad`,
    // No default route: what nobody answers for must not travel in circles.
    `route add ${block4} via ${v4[0]}`,
    `route add ${block6} via ${v6[0]}`,
  );
  await outside.ip(
    "link set lo up",
    "link set uplink up",
    ...v4.map((address) => `addr add ${address}/24 dev uplink`),
    ...v6.map((address) => `addr add ${address}/64 dev uplink nodad`),
    `route add local ${block4} dev lo`,
    `route add local ${block6} dev lo`,
    `route add default via ${nodeAddresses.v4}`,
    `route add default via ${nodeAddresses.v6}`,
  );
}
