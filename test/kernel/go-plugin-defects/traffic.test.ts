import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { exampleConflist } from "../../support/cni/conflist.ts";
import { resultOf, runOutbound, runOutboundFor } from "../../support/cni/outbound.ts";
import { containing } from "../../support/containing.ts";
import type { Container } from "../../support/container.ts";
import type { Json, JsonObject } from "../../support/json.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { chainRules, savedRules } from "../../support/saved-rules.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("the Go plugin's defects with traffic, on iptables-%s", (backend) => {
  let node: ClientNode;

  beforeAll(async () => {
    node = await createNode({ backend });
    const { v4, v6 } = node.outside;
    await node.outside.listen({ addresses: [...v4, ...v6], ports: [80, 443, 8000, 8050, 8100, 8101, 9999] });
    await node.listen({ addresses: [node.v4, node.v6], ports: [443] });
  });

  afterAll(async () => {
    await node.close();
  });

  const attach = (outboundRules: Json, args: Readonly<Record<string, string>> = {}) =>
    node.attach({ conflist: exampleConflist(node, { outbound: { outboundRules } }), args });
  const hosts = (index: number): string[] => [node.outside.v4[index] ?? "", node.outside.v6[index] ?? ""];
  const reach = (container: Container, addresses: readonly string[], port = 443, protocol: "tcp" | "udp" = "tcp") =>
    Promise.all(addresses.map((address) => container.canReach({ address, port, protocol })));

  test("4: static rules decide in the order they are written in, and a job's own rules cannot override a DROP", async () => {
    const job = JSON.stringify([{ action: "ACCEPT" }]);
    const rules = [
      { host: hosts(0), action: "DROP" },
      { host: hosts(0), action: "ACCEPT" },
      { host: hosts(1), action: "ACCEPT" },
      { host: hosts(1), action: "DROP" },
    ];
    const container = await attach(rules, { "outbound.additional_rules": job });
    expect(await reach(container, hosts(0))).toEqual([false, false]);
    expect(await reach(container, hosts(1))).toEqual([true, true]);
    expect(await reach(container, hosts(2))).toEqual([true, true]);
    await container.detach();
  });

  test("6: every address of both families is filtered, in whatever order they come", async () => {
    const conflist = exampleConflist(node, { outbound: { outboundRules: [{ host: hosts(0), action: "ACCEPT" }] } });
    const container = await node.attach({ conflist });
    const second = ["10.88.230.1", "fd00:88::23:1"];
    await container.ip(`addr add ${second[0]}/16 dev eth0`, `addr add ${second[1]}/64 dev eth0 preferred_lft 0 nodad`);
    const all = [container.v6, second[0] ?? "", second[1] ?? "", container.v4];
    const prevResult = { ...container.result, ips: all.map((address): JsonObject => ({ address, interface: 2 })) };
    expect(await runOutboundFor(node, container, { conflist, command: "ADD", prevResult })).toMatchObject({
      exitCode: 0,
    });
    for (const from of all) {
      const index = from.includes(":") ? 1 : 0;
      const connect = (address = "") => container.connect({ address, port: 443, from, timeoutMs: 500 });
      expect([from, await connect(hosts(0)[index])]).toEqual([from, "open"]);
      expect([from, await connect(hosts(1)[index])]).toEqual([from, "timeout"]);
    }
    await container.detach();
  });

  test("7: the host's own addresses, and containers on the same bridge, are not reached past the rules", async () => {
    const peer = await attach([{ action: "ACCEPT" }]);
    await peer.listen({ addresses: ["0.0.0.0", "::"], ports: [443] });
    const container = await attach([{ host: hosts(0), action: "ACCEPT" }]);
    const inside = [node.v4, node.v6, "10.88.0.1", "fd00:88::1", ...peer.addresses];
    expect(await reach(container, inside)).toEqual(inside.map(() => false));
    expect(await reach(peer, [node.v4, node.v6])).toEqual([true, true]);
    await Promise.all([peer.detach(), container.detach()]);
  });

  test("8: a second source address in the container passes nothing", async () => {
    const container = await attach([{ action: "ACCEPT" }]);
    await container.ip("addr add 10.88.230.9/16 dev eth0", "addr add fd00:88::23:9/64 dev eth0 preferred_lft 0 nodad");
    for (const [index, from] of ["10.88.230.9", "fd00:88::23:9"].entries()) {
      const address = hosts(0)[index] ?? "";
      expect(await container.connect({ address, port: 443, from, timeoutMs: 500 })).toBe("timeout");
      expect(
        await container.connect({ address, port: 443, from: container.addresses[index] ?? "", timeoutMs: 2_000 }),
      ).toBe("open");
    }
    await container.detach();
  });

  describe("15: what could not be said", () => {
    test("any port, a list of ports, a range and all protocols", async () => {
      const container = await attach([
        { host: hosts(0), proto: "tcp", action: "ACCEPT" },
        { host: hosts(1), proto: "udp", port: "80,443,8000-8100", action: "ACCEPT" },
        { host: hosts(2), proto: "all", action: "ACCEPT" },
        { host: hosts(3), proto: "tcp", port: "8000:8100", action: "ACCEPT" },
      ]);
      const both = (isOpen: boolean) => [isOpen, isOpen];
      expect(await reach(container, hosts(0), 9999)).toEqual(both(true));
      expect(await reach(container, hosts(0), 9999, "udp")).toEqual(both(false));
      for (const port of [80, 443, 8000, 8050, 8100])
        expect(await reach(container, hosts(1), port, "udp")).toEqual(both(true));
      for (const port of [8101, 9999]) expect(await reach(container, hosts(1), port, "udp")).toEqual(both(false));
      expect(await reach(container, hosts(1), 443)).toEqual(both(false));
      for (const protocol of ["tcp", "udp"] as const)
        expect(await reach(container, hosts(2), 9999, protocol)).toEqual(both(true));
      expect(await reach(container, hosts(3), 8050)).toEqual(both(true));
      expect(await reach(container, hosts(3), 8101)).toEqual(both(false));
      await container.detach();
    });

    test("icmp and icmpv6", async () => {
      const ping = async (container: Container, address: string) => {
        const { exitCode } = await container.exec(["ping", "-n", "-c", "1", "-W", "1", address], {
          allowFailure: true,
        });
        return exitCode === 0;
      };
      const container = await attach([
        { host: hosts(0)[0] ?? "", proto: "icmp", action: "ACCEPT" },
        { host: hosts(0)[1] ?? "", proto: "icmpv6", action: "ACCEPT" },
      ]);
      for (const address of hosts(0)) expect([address, await ping(container, address)]).toEqual([address, true]);
      for (const address of hosts(1)) expect([address, await ping(container, address)]).toEqual([address, false]);
      expect(await reach(container, hosts(0))).toEqual([false, false]);
      await container.detach();
    });

    test("::/0 is every IPv6 address and no IPv4 one", async () => {
      const container = await attach([{ host: "::/0", action: "ACCEPT" }]);
      expect(await reach(container, hosts(0))).toEqual([false, true]);
      await container.detach();
    });

    test("010.0.0.1 is refused, and means neither 8.0.0.1 nor 10.0.0.1", async () => {
      const conflist = exampleConflist(node, {
        outbound: { outboundRules: [{ host: "010.0.0.1", action: "ACCEPT" }] },
      });
      const before = await savedRules(node);
      const outcome = await runOutbound(node, {
        conflist,
        command: "ADD",
        containerId: "octal",
        prevResult: resultOf("10.88.231.1"),
      });
      expect(outcome).toMatchObject({
        exitCode: 1,
        json: {
          code: 7,
          msg: containing('outboundRules[0].host: Cannot parse address: "010.0.0.1" has a leading zero'),
        },
      });
      expect(await savedRules(node)).toBe(before);
      expect(await chainRules(node, "CNI-OUTBOUND")).toEqual([]);
    });
  });
});
