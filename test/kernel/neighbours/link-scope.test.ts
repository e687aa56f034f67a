import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { exampleConflist } from "../../support/cni/conflist.ts";
import { runOutboundFor } from "../../support/cni/outbound.ts";
import type { Container } from "../../support/container.ts";
import type { JsonObject } from "../../support/json.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { type HostPort, labelled, labelsAt, macOf, openHostPort, settle } from "../../support/raw/labels.ts";
import { frameOf, udpPacket } from "../../support/raw/packet.ts";
import { openRawDevice, type RawDevice } from "../../support/raw/raw-device.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const PORT = 9_002;

/** Destinations on the link, and the hardware addresses of those that are for more than one. */
const groups = {
  "224.0.0.251": "01:00:5e:00:00:fb",
  "224.0.0.1": "01:00:5e:00:00:01",
  "255.255.255.255": "ff:ff:ff:ff:ff:ff",
  "10.88.255.255": "ff:ff:ff:ff:ff:ff",
  "ff02::1": "33:33:00:00:00:01",
  "ff02::fb": "33:33:00:00:00:fb",
} as const;
/** Those that a host takes without having joined a group. */
const takenByHost = ["255.255.255.255", "10.88.255.255", "ff02::1"];
const broadcasts = ["255.255.255.255", "10.88.255.255"];

describe.each(variants)("with iptables-%s, link-local, multicast and broadcast destinations", (backend) => {
  let node: ClientNode;
  let host: HostPort;
  let peer: Container;
  let neighbour: RawDevice;
  let hostLinkLocal: string;

  beforeAll(async () => {
    node = await createNode({ backend });
    host = await openHostPort(node, PORT);
    peer = await node.attach({ conflist: exampleConflist(node) });
    neighbour = await openRawDevice(peer, "eth0");
    hostLinkLocal = await linkLocalOf(node, "cni0");
  });

  afterAll(async () => {
    await neighbour.close();
    await node.close();
  });

  const conflistOf = (outbound: JsonObject) => exampleConflist(node, { outbound });

  /** From the container's own addresses, its link-local one included: what arrives at the host and at the neighbour. */
  const arrivals = async (container: Container, name: string) => {
    const device = await openRawDevice(container, "eth0");
    const bridge = await macOf(node, "cni0");
    const unicast = { [hostLinkLocal]: bridge, [await linkLocalOf(peer, "eth0")]: neighbour.mac };
    const ownLinkLocal = await linkLocalOf(container, "eth0");
    for (const [destination, to] of Object.entries({ ...groups, ...unicast })) {
      const sources = destination.includes(".") ? { own: container.v4 } : { own: container.v6, link: ownLinkLocal };
      for (const [who, source] of Object.entries(sources)) {
        const where = to === bridge ? "host" : to === neighbour.mac ? "peer" : destination;
        const packet = udpPacket(labelled(`${name}: ${who} ${where}`), {
          source,
          destination,
          sourcePort: 1,
          port: PORT,
        });
        device.send(frameOf(packet, { from: device.mac, to }));
      }
    }
    await settle();
    await device.close();
    const isOf = (label: string) => (label.startsWith(`${name}: `) ? [label.slice(name.length + 2)] : []);
    return { host: host.labels().flatMap(isOf), neighbour: labelsAt(neighbour).flatMap(isOf) };
  };

  const from = (who: string, ...places: readonly string[]) => places.map((place) => `${who} ${place}`);
  const own = {
    host: from("own", ...takenByHost, "host").toSorted(),
    neighbour: from("own", ...Object.keys(groups), "peer").toSorted(),
  };

  test("get nothing under a default of DROP, not even link-local to link-local", async () => {
    const container = await node.attach({ conflist: conflistOf({}) });
    expect(await arrivals(container, "denied")).toEqual({ host: [], neighbour: [] });
    await container.detach();
  });

  test("get what rules name, from the container's own address, and nothing from its link-local one", async () => {
    const host = [...Object.keys(groups), "fe80::/10"];
    const container = await node.attach({ conflist: conflistOf({ outboundRules: [{ host, action: "ACCEPT" }] }) });
    expect(await arrivals(container, "named")).toEqual(own);
    const { host: atHost, neighbour: atPeer } = own;
    // Without our rules its link-local address is one like any other.
    await runOutboundFor(node, container, { conflist: conflistOf({}), command: "DEL" });
    expect(await arrivals(container, "free")).toEqual({
      host: [...atHost, ...from("link", "ff02::1", "host")].toSorted(),
      neighbour: [...atPeer, ...from("link", "ff02::1", "ff02::fb", "peer")].toSorted(),
    });
    await container.detach();
  });

  test("with hostTraffic allow get to the host, and to a neighbour nothing but what rules name", async () => {
    const container = await node.attach({ conflist: conflistOf({ hostTraffic: "allow" }) });
    const host = [...from("own", ...broadcasts, "host"), "link host"].toSorted();
    expect(await arrivals(container, "allow")).toEqual({ host, neighbour: [] });
    await container.detach();
  });
});

async function linkLocalOf(namespace: Pick<ClientNode, "exec">, device: string): Promise<string> {
  const { stdout } = await namespace.exec(["ip", "-6", "-o", "addr", "show", "dev", device, "scope", "link"]);
  const [address] = /fe80::[0-9a-f:]+/.exec(stdout) ?? [];
  if (address === undefined) throw new Error(`Cannot find link-local address: ${stdout}`);
  return address;
}
