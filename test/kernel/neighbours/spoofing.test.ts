import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { exampleConflist } from "../../support/cni/conflist.ts";
import { addNetwork, delNetwork } from "../../support/cni/libcni.ts";
import { runOutboundFor } from "../../support/cni/outbound.ts";
import type { Container } from "../../support/container.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { type HostPort, labelled, labelsAt, macOf, openHostPort, settle } from "../../support/raw/labels.ts";
import { frameOf, udpPacket } from "../../support/raw/packet.ts";
import { openRawDevice, type RawDevice } from "../../support/raw/raw-device.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const PORT = 9_000;
const everything = { outboundRules: [{ action: "ACCEPT" }] };
const networks = {
  bridge: { subnet4: "10.88.0.0/16", subnet6: "fd00:88::/64" },
  ptp: { subnet4: "10.99.0.0/24", subnet6: "fd00:99::/64" },
} as const;

describe.each(variants)("with iptables-%s", (backend) => {
  let node: ClientNode;
  let outside: RawDevice;
  let host: HostPort;

  beforeAll(async () => {
    node = await createNode({ backend });
    outside = await openRawDevice(node.outside, "uplink");
    host = await openHostPort(node, PORT);
    // So that the first packet through the node has not to wait for its neighbour.
    for (const address of [node.outside.v4[0], node.outside.v6[0]]) await node.exec(["ping", "-c", "1", address]);
  });

  afterAll(async () => {
    await outside.close();
    await node.close();
  });

  /** Datagrams with each source, to the world, to the host and to a neighbour. Their labels: `<source> to <where>`. */
  const sendFrom = (device: RawDevice, { router, sources, neighbour }: Spoofing): void => {
    for (const source of sources) {
      const isIpv4 = source.includes(".");
      const places = {
        world: { destination: isIpv4 ? node.outside.v4[0] : node.outside.v6[0], to: router },
        host: { destination: isIpv4 ? node.v4 : node.v6, to: router },
        neighbour: { destination: isIpv4 ? neighbour.v4 : neighbour.v6, to: neighbour.mac },
      };
      for (const [place, { destination, to }] of Object.entries(places)) {
        const packet = udpPacket(labelled(`${source} to ${place}`), { source, destination, sourcePort: 1, port: PORT });
        device.send(frameOf(packet, { from: device.mac, to }));
      }
    }
  };

  describe.each(["bridge", "ptp"] as const)("a container by %s whose rules accept everything", (main) => {
    const conflist = () => exampleConflist(node, { main, name: main, ...networks[main], outbound: everything });

    test("gets nothing through from a source that is not its own: to the world, the host or a neighbour", async () => {
      const container = await node.attach({ conflist: conflist() });
      const peer = await node.attach({ conflist: conflist() });
      const [device, atPeer] = await Promise.all([openRawDevice(container, "eth0"), openRawDevice(peer, "eth0")]);
      const own = [container.v4, container.v6];
      const foreign = [
        main === "bridge" ? "10.88.77.7" : "10.99.0.77",
        "203.0.113.5",
        node.v4,
        node.outside.v4[1],
        peer.v4,
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        `${main === "bridge" ? "fd00:88" : "fd00:99"}::7777`,
        "2001:db8:1::5",
        node.v6,
        node.outside.v6[1],
        peer.v6,
        await linkLocalOf(container),
        "::",
        "ff02::1",
      ];
      const router = await macOf(node, main === "bridge" ? "cni0" : container.hostInterface);
      const neighbour = { v4: peer.v4, v6: peer.v6, mac: main === "bridge" ? atPeer.mac : router };
      sendFrom(device, { router, sources: [...foreign, ...own], neighbour });
      await settle();
      expect(labelsAt(outside).filter((label) => mentions(label, [...foreign, ...own]))).toEqual(to("world", own));
      expect(host.labels().filter((label) => mentions(label, [...foreign, ...own]))).toEqual(to("host", own));
      expect(labelsAt(atPeer).filter((label) => mentions(label, [...foreign, ...own]))).toEqual(to("neighbour", own));
      // Without our rules for them, addresses that the kernel itself does not refuse do get through.
      for (const each of [container, peer]) await runOutboundFor(node, each, { conflist: conflist(), command: "DEL" });
      const believable = [foreign[0] ?? "", peer.v4, `${main === "bridge" ? "fd00:88" : "fd00:99"}::7777`, peer.v6];
      sendFrom(device, { router, sources: believable, neighbour });
      await settle();
      expect(labelsAt(outside)).toEqual(expect.arrayContaining([...to("world", believable)]));
      await Promise.all([device.close(), atPeer.close()]);
      await Promise.all([peer.detach(), container.detach()]);
    });
  });

  test("a second hardware address of the container's, by macvlan, has the container's rules", async () => {
    const conflist = exampleConflist(node, {
      outbound: { outboundRules: [{ host: node.outside.v4[0], action: "ACCEPT" }] },
    });
    const container = await node.attach({ conflist });
    await container.ip("link add link eth0 name second type macvlan mode bridge", "link set second up");
    const device = await openRawDevice(container, "second");
    const to = await macOf(node, "cni0");
    const send = (source: string, destination: string) =>
      device.send(
        frameOf(
          udpPacket(labelled(`macvlan ${source} ${destination}`), { source, destination, sourcePort: 1, port: PORT }),
          {
            from: device.mac,
            to,
          },
        ),
      );
    send("10.88.66.6", node.outside.v4[0]);
    send(container.v4, node.outside.v4[1]);
    send(container.v4, node.outside.v4[0]);
    await settle();
    const arrived = labelsAt(outside).filter((label) => label.startsWith("macvlan"));
    expect(arrived).toEqual([`macvlan ${container.v4} ${node.outside.v4[0]}`]);
    await device.close();
    await container.detach();
  });

  test("a container on two networks has on each the rules of that one, for that one's address only", async () => {
    const [first, second] = [node.outside.v4[0], node.outside.v4[1]];
    const conflist = exampleConflist(node, { outbound: { outboundRules: [{ host: first, action: "ACCEPT" }] } });
    const other = exampleConflist(node, {
      name: "second",
      bridge: "cni1",
      subnet4: "10.89.0.0/16",
      subnet6: "fd00:89::/64",
      outbound: { outboundRules: [{ host: second, action: "ACCEPT" }] },
    });
    const container = await node.attach({ conflist });
    const attaching = { ...container.attaching, ifname: "eth1" };
    // The container has a default route already: the second network brings none.
    const result = await addNetwork(node, withoutRoutes(other), attaching);
    const [address] = /10\.89\.\d+\.\d+/.exec(JSON.stringify(result)) ?? [];
    if (address === undefined) throw new Error("no address on the second network");
    const ways = [
      { name: "eth0", device: await openRawDevice(container, "eth0"), to: await macOf(node, "cni0") },
      { name: "eth1", device: await openRawDevice(container, "eth1"), to: await macOf(node, "cni1") },
    ];
    for (const { name, device, to } of ways) {
      for (const source of [container.v4, address]) {
        for (const destination of [first, second]) {
          const label = labelled(`two ${name} ${source} ${destination}`);
          device.send(
            frameOf(udpPacket(label, { source, destination, sourcePort: 1, port: PORT }), { from: device.mac, to }),
          );
        }
      }
    }
    await settle();
    expect(labelsAt(outside).filter((label) => label.startsWith("two "))).toEqual([
      `two eth0 ${container.v4} ${first}`,
      `two eth1 ${address} ${second}`,
    ]);
    for (const { device } of ways) await device.close();
    await delNetwork(node, withoutRoutes(other), attaching);
    await container.detach();
  });
});

interface Spoofing {
  readonly router: string;
  readonly sources: readonly string[];
  readonly neighbour: { readonly v4: string; readonly v6: string; readonly mac: string };
}

function mentions(label: string, sources: readonly string[]): boolean {
  return sources.some((source) => label.startsWith(`${source} to `));
}

function to(place: string, sources: readonly string[]): readonly string[] {
  return sources.map((source) => `${source} to ${place}`).toSorted();
}

async function linkLocalOf(container: Container): Promise<string> {
  const { stdout } = await container.exec(["ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link"]);
  const [address] = /fe80::[0-9a-f:]+/.exec(stdout) ?? [];
  if (address === undefined) throw new Error(`Cannot find link-local address: ${stdout}`);
  return address;
}

function withoutRoutes(conflist: ReturnType<typeof exampleConflist>): ReturnType<typeof exampleConflist> {
  const plugins = conflist.plugins.map((plugin) => {
    const { ipam } = plugin;
    return typeof ipam === "object" && ipam !== null && !Array.isArray(ipam)
      ? { ...plugin, ipam: Object.assign({}, ipam, { routes: [] }) }
      : plugin;
  });
  return { ...conflist, plugins };
}
