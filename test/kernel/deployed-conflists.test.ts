import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deployedConflist } from "../support/cni/deployed-conflist.ts";
import type { Container } from "../support/container.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { variants } from "../support/variant.ts";

/** Attaches through one of deploy/conflist on a node behind which these addresses are. */
async function start(
  name: string,
  {
    backend,
    v4,
    v6,
  }: { readonly backend: "nft" | "legacy"; readonly v4: readonly string[]; readonly v6: readonly string[] },
): Promise<{ readonly node: ClientNode; readonly container: Container }> {
  const node = await createNode({ backend });
  await node.outside.ip(
    ...[...v4, ...v6].map((address) => `addr add ${address}/${address.includes(":") ? 128 : 32} dev lo`),
  );
  await node.ip(
    ...v4.map((address) => `route add ${address} via ${node.outside.v4[0]}`),
    ...v6.map((address) => `route add ${address} via ${node.outside.v6[0]}`),
  );
  return { node, container: await node.attach({ conflist: deployedConflist(name, node) }) };
}

describe.each(variants)("deploy/conflist, iptables-%s", (backend) => {
  describe("my-network", () => {
    let node: ClientNode;
    let container: Container;

    beforeAll(async () => {
      ({ node, container } = await start("my-network", { backend, v4: ["10.0.0.53", "10.2.0.7"], v6: ["fd00:2::7"] }));
      await node.outside.listen({ addresses: ["10.0.0.53", "10.2.0.7", "fd00:2::7"], ports: [53, 443, 8100, 8101] });
      await node.outside.listen({ addresses: [node.outside.v4[1], node.outside.v6[1]], ports: [443] });
    });
    afterAll(() => node.close());

    test.each([
      ["10.0.0.53", 53, "udp", true],
      ["10.0.0.53", 53, "tcp", false],
      ["10.2.0.7", 443, "tcp", true],
      ["10.2.0.7", 8100, "tcp", true],
      ["10.2.0.7", 8101, "tcp", false],
      ["10.2.0.7", 443, "udp", false],
      ["fd00:2::7", 443, "tcp", true],
      ["fd00:2::7", 53, "tcp", false],
      ["192.0.2.11", 443, "tcp", false],
      ["2001:db8:ffff::11", 443, "tcp", false],
    ] as const)("%s port %d by %s: reached is %s", async (address, port, protocol, isReached) => {
      expect(await container.canReach({ address, port, protocol })).toBe(isReached);
    });
  });

  describe("consul-dns", () => {
    let node: ClientNode;
    let container: Container;
    const gateways = ["172.26.96.1", "fd00:26:96::1"];

    beforeAll(async () => {
      ({ node, container } = await start("consul-dns", { backend, v4: [], v6: [] }));
      await node.listen({ addresses: [...gateways, node.v4, node.v6], ports: [53, 8500, 8600] });
      await node.outside.listen({ addresses: [node.outside.v4[0], node.outside.v6[0]], ports: [53] });
    });
    afterAll(() => node.close());

    test.each(
      gateways.flatMap((address) =>
        [53, 8600].flatMap((port) => (["udp", "tcp"] as const).map((protocol) => ({ address, port, protocol }))),
      ),
    )("DNS on the host at $address port $port by $protocol is reached", async (destination) => {
      expect(await container.canReach(destination)).toBe(true);
    });

    test.each(["iptables", "ip6tables"])(
      "port 53 of the gateway is reached where the host's %s redirects it to Consul's 8600",
      async (program) => {
        const address = gateways[program === "iptables" ? 0 : 1] ?? "";
        const rule = [
          "PREROUTING",
          "-d",
          address,
          "-p",
          "udp",
          "--dport",
          "53",
          "-j",
          "REDIRECT",
          "--to-ports",
          "8600",
        ];
        await node.exec([program, "-t", "nat", "-I", ...rule]);
        expect(await container.canReach({ address, port: 53, protocol: "udp" })).toBe(true);
        const { stdout } = await node.exec([program, "-t", "nat", "-vS", "PREROUTING"]);
        expect(stdout).toMatch(/ -c [1-9]/);
        await node.exec([program, "-t", "nat", "-D", ...rule]);
      },
    );

    test.each([
      ["Consul's API at the gateway", () => ({ address: "172.26.96.1", port: 8500 })],
      ["Consul's API at the gateway by IPv6", () => ({ address: "fd00:26:96::1", port: 8500 })],
      ["DNS at the host's own address", () => ({ address: node.v4, port: 53, protocol: "udp" as const })],
      ["DNS at the host's own IPv6 address", () => ({ address: node.v6, port: 53, protocol: "udp" as const })],
      ["DNS elsewhere", () => ({ address: node.outside.v4[0], port: 53, protocol: "udp" as const })],
      ["DNS elsewhere by IPv6", () => ({ address: node.outside.v6[0], port: 53, protocol: "udp" as const })],
    ])("%s is not", async (_, destination) => {
      expect(await container.canReach(destination())).toBe(false);
    });
  });

  describe("denies-only", () => {
    let node: ClientNode;
    let container: Container;
    const metadata = ["169.254.169.254", "fd00:ec2::254"] as const;

    beforeAll(async () => {
      ({ node, container } = await start("denies-only", { backend, v4: [metadata[0]], v6: [metadata[1]] }));
      await node.outside.listen({ addresses: metadata, ports: [80] });
      const outside = [node.outside.v4[0], node.outside.v6[0]];
      await node.outside.listen({ addresses: outside, ports: [25, 80, 443, 4646, 8500] });
      await node.listen({ addresses: [node.v4, node.v6], ports: [22, 80, 8500] });
    });
    afterAll(() => node.close());

    test.each([
      ["192.0.2.10", 443, "tcp", true],
      ["192.0.2.10", 80, "udp", true],
      ["192.0.2.10", 8500, "udp", true],
      ["2001:db8:ffff::10", 443, "tcp", true],
      ["192.0.2.10", 25, "tcp", false],
      ["2001:db8:ffff::10", 25, "tcp", false],
      ["192.0.2.10", 4646, "tcp", false],
      ["2001:db8:ffff::10", 8500, "tcp", false],
      ["169.254.169.254", 80, "tcp", false],
      ["fd00:ec2::254", 80, "tcp", false],
      ["192.0.2.1", 80, "tcp", true],
      ["192.0.2.1", 22, "tcp", false],
      ["2001:db8:ffff::1", 8500, "tcp", false],
    ] as const)("%s port %d by %s: reached is %s", async (address, port, protocol, isReached) => {
      expect(await container.canReach({ address, port, protocol })).toBe(isReached);
    });

    test("a job's accept counts for nothing, its deny does", async () => {
      const rules = [
        { host: metadata[0], action: "ACCEPT" },
        { host: "192.0.2.10", proto: "tcp", port: 443, action: "DROP" },
      ];
      const args = { "outbound.additional_rules": JSON.stringify(rules) };
      const other = await node.attach({ conflist: deployedConflist("denies-only", node), args });
      expect(await other.canReach({ address: metadata[0], port: 80 })).toBe(false);
      expect(await other.canReach({ address: "192.0.2.10", port: 443 })).toBe(false);
      expect(await other.canReach({ address: "192.0.2.10", port: 80 })).toBe(true);
    });
  });
});
