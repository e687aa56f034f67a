import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Conflist } from "../support/cni/conflist.ts";
import type { Container } from "../support/container.ts";
import { createNode, type ClientNode } from "../support/network-namespace.ts";
import { variants } from "../support/variant.ts";

/** The example that the Go plugin's README publishes, word for word but for where the test keeps its files. */
function publishedConflist({ stateDir, cacheDir, ipamDir }: ClientNode): Conflist {
  return {
    cniVersion: "0.4.0",
    name: "my-network",
    plugins: [
      { type: "loopback" },
      {
        type: "bridge",
        bridge: "docker0",
        ipMasq: true,
        isGateway: true,
        forceAddress: true,
        hairpinMode: false,
        ipam: {
          type: "host-local",
          dataDir: ipamDir,
          ranges: [[{ subnet: "172.18.0.0/16" }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "firewall", backend: "iptables", iptablesAdminChainName: "CNI-NDB" },
      { type: "portmap", capabilities: { portMappings: true } },
      {
        type: "outbound",
        stateDir,
        cacheDir,
        chainName: "CNI-OUTBOUND",
        defaultAction: "DROP",
        outboundRules: [
          { host: "8.8.8.8", proto: "udp", port: "53", action: "ACCEPT" },
          { host: "192.168.1.0/24", proto: "tcp", port: "80", action: "ACCEPT" },
        ],
      },
    ],
  };
}

describe.each(variants)("the Go plugin's published conflist, iptables-%s", (backend) => {
  let node: ClientNode;
  let container: Container;

  beforeAll(async () => {
    node = await createNode({ backend });
    // The addresses of the example, on the host that plays the world here.
    await node.outside.ip("addr add 8.8.8.8/32 dev lo", "addr add 192.168.1.7/32 dev lo");
    await node.ip("route add 8.8.8.8 via 192.0.2.10", "route add 192.168.1.0/24 via 192.0.2.10");
    await node.outside.listen({ addresses: ["8.8.8.8", "192.168.1.7"], ports: [53, 80] });
    container = await node.attach({ conflist: publishedConflist(node) });
  });

  afterAll(() => node.close());

  test.each([
    ["8.8.8.8", 53, "udp", true],
    ["8.8.8.8", 53, "tcp", false],
    ["8.8.8.8", 80, "udp", false],
    ["192.168.1.7", 80, "tcp", true],
    ["192.168.1.7", 53, "tcp", false],
  ] as const)("%s port %d by %s: reached is %s", async (address, port, protocol, isReached) => {
    expect(await container.canReach({ address, port, protocol })).toBe(isReached);
  });

  test("CHECK passes, and DEL takes the container's chain away", async () => {
    await container.check();
    await container.detach();
    const { stdout } = await node.exec(["iptables-save", "-t", "filter"]);
    expect(stdout).toContain(":CNI-OUTBOUND ");
    expect(stdout).not.toMatch(/CNI-OUT-[0-9a-f]{20}/);
  });
});
