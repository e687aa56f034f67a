import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { exampleConflist } from "../../support/cni/conflist.ts";
import type { Container } from "../../support/container.ts";
import type { JsonObject } from "../../support/json.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { labelled, macOf, openHostPort, settle } from "../../support/raw/labels.ts";
import { frameOf, udpPacket } from "../../support/raw/packet.ts";
import { openRawDevice } from "../../support/raw/raw-device.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const loopback = ["10.255.0.1", "fd00:255::1"];
const gateways = ["10.88.0.1", "fd00:88::1"];
const otherGateways = ["10.89.0.1", "fd00:89::1"];

describe.each(variants)("with iptables-%s, the host's own addresses", (backend) => {
  let node: ClientNode;
  let hosts: readonly string[];

  const attach = (outbound: JsonObject, portMappings: readonly { hostPort: number; containerPort: number }[] = []) =>
    node.attach({ conflist: exampleConflist(node, { outbound }), portMappings });

  beforeAll(async () => {
    node = await createNode({ backend });
    hosts = [node.v4, node.v6, ...loopback, ...gateways, ...otherGateways];
    await node.ip(`addr add ${loopback[0]}/32 dev lo`, `addr add ${loopback[1]}/128 dev lo`);
    const second = { name: "second", bridge: "cni1", subnet4: "10.89.0.0/16", subnet6: "fd00:89::/64" };
    await node.attach({ conflist: exampleConflist(node, second) });
    await (await attach({})).detach();
    await node.listen({ addresses: hosts, ports: [443, 22] });
    await node.outside.listen({ addresses: [node.outside.v4[0], node.outside.v6[0]], ports: [443] });
  });

  afterAll(async () => {
    await node.close();
  });

  const reached = async (container: Container, addresses: readonly string[], port: number) => {
    const ways = addresses.flatMap((address) => (["tcp", "udp"] as const).map((protocol) => ({ address, protocol })));
    const verdicts = await Promise.all(ways.map((way) => container.connect({ ...way, port, timeoutMs: 400 })));
    return ways.flatMap(({ address, protocol }, index) =>
      verdicts[index] === "open" ? [`${protocol} ${address}`] : [],
    );
  };
  const both = (addresses: readonly string[]) => addresses.flatMap((address) => [`tcp ${address}`, `udp ${address}`]);

  test("on the uplink, lo, its own bridge and another one obey the rules, each by its own address", async () => {
    const closed = await attach({});
    expect(await reached(closed, hosts, 443)).toEqual([]);
    const named = [...loopback, ...otherGateways];
    const outboundRules = ["tcp", "udp"].map((proto) => ({ host: named, proto, port: 443, action: "ACCEPT" }));
    const open = await attach({ outboundRules });
    expect(await reached(open, hosts, 443)).toEqual(both(named));
    expect(await reached(open, hosts, 22)).toEqual([]);
    await Promise.all([closed, open].map((container) => container.detach()));
  });

  test("are all left alone with hostTraffic allow, and the world is not", async () => {
    const container = await attach({ hostTraffic: "allow" });
    expect(await reached(container, hosts, 443)).toEqual(both(hosts));
    expect(await reached(container, [node.outside.v4[0], node.outside.v6[0]], 443)).toEqual([]);
    await container.detach();
  });

  test("of 127/8, which portmap makes reachable from a container, obey the rules too", async () => {
    const port = await openHostPort(node, 9_000);
    const ports = [{ hostPort: 8_080, containerPort: 80 }];
    const containers = {
      closed: await attach({ outboundRules: [{ host: node.v4, action: "ACCEPT" }] }, ports),
      open: await attach({ outboundRules: [{ host: "127.0.0.0/8", action: "ACCEPT" }] }),
    };
    const to = await macOf(node, "cni0");
    for (const [label, container] of Object.entries(containers)) {
      const device = await openRawDevice(container, "eth0");
      const way = { source: container.v4, destination: "127.0.0.1", sourcePort: 1, port: 9_000 };
      device.send(frameOf(udpPacket(labelled(label), way), { from: device.mac, to }));
      await settle();
      await device.close();
    }
    expect(port.labels()).toEqual(["open"]);
    for (const container of Object.values(containers)) await container.detach();
  });
});
