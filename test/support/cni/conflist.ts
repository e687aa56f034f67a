import type { JsonObject } from "../json.ts";
import type { ClientNode } from "../network-namespace.ts";

/** A network configuration list, as in a `.conflist` file. */
export interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly disableCheck?: boolean;
  readonly disableGC?: boolean;
  readonly plugins: readonly PluginConfig[];
}

export type PluginConfig = JsonObject & { readonly type: string };

export interface ConflistOptions {
  /** Default "egress". */
  readonly name?: string;
  /** Default 1.0.0, the newest that Debian's plugins know. */
  readonly cniVersion?: string;
  /** Keys of outbound's own configuration; `false` leaves the plugin out. */
  readonly outbound?: JsonObject | false;
  /** Default bridge. */
  readonly main?: "bridge" | "ptp";
  /** Default "cni0"; for `bridge`. */
  readonly bridge?: string;
  /** Default true. */
  readonly firewall?: boolean;
  /** Default true. */
  readonly portmap?: boolean;
  /** Default true. Nomad's own bridge mode lists it. */
  readonly loopback?: boolean;
  /** Default false, so that the outside sees containers' own addresses. */
  readonly ipMasq?: boolean;
  /** Default 10.88.0.0/16. */
  readonly subnet4?: string;
  /** Default fd00:88::/64; `false`: IPv4 only. */
  readonly subnet6?: string | false;
}

/** The chain that a Nomad cluster would use: loopback, bridge, firewall, portmap, outbound; with the node's directories. */
export function exampleConflist(node: ClientNode, options: ConflistOptions = {}): Conflist {
  const { loopback = true, firewall = true, portmap = true, outbound = {} } = options;
  return {
    cniVersion: options.cniVersion ?? "1.0.0",
    name: options.name ?? "egress",
    plugins: [
      ...(loopback ? [{ type: "loopback" }] : []),
      mainPlugin(node, options),
      ...(firewall ? [{ type: "firewall", backend: "iptables", iptablesAdminChainName: "CNI-ADMIN" }] : []),
      ...(portmap ? [{ type: "portmap", capabilities: { portMappings: true }, snat: true }] : []),
      ...(outbound === false
        ? []
        : [{ type: "outbound", stateDir: node.stateDir, cacheDir: node.cacheDir, ...outbound }]),
    ],
  };
}

function mainPlugin(node: ClientNode, options: ConflistOptions): PluginConfig {
  const { main = "bridge", ipMasq = false, subnet4 = "10.88.0.0/16", subnet6 = "fd00:88::/64" } = options;
  const ipam = {
    type: "host-local",
    dataDir: node.ipamDir,
    ranges: [[{ subnet: subnet4 }], ...(subnet6 === false ? [] : [[{ subnet: subnet6 }]])],
    routes: [{ dst: "0.0.0.0/0" }, ...(subnet6 === false ? [] : [{ dst: "::/0" }])],
  };
  if (main === "ptp") return { type: "ptp", ipMasq, ipam };
  return { type: "bridge", bridge: options.bridge ?? "cni0", isGateway: true, forceAddress: true, ipMasq, ipam };
}
