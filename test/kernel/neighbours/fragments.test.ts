import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { exampleConflist } from "../../support/cni/conflist.ts";
import type { Container } from "../../support/container.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { labelled, labelsAt, macOf, settle } from "../../support/raw/labels.ts";
import { frameOf, inFragments, ipPacket, PROTOCOL, udpDatagram, udpPacket } from "../../support/raw/packet.ts";
import { openRawDevice, type RawDevice } from "../../support/raw/raw-device.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const ALLOWED = 9_010;
const DENIED = 9_011;

describe.each(variants)("with iptables-%s", (backend) => {
  let node: ClientNode;
  let outside: RawDevice;
  let container: Container;
  let device: RawDevice;
  let router: string;

  beforeAll(async () => {
    node = await createNode({ backend });
    outside = await openRawDevice(node.outside, "uplink");
    for (const address of [node.outside.v4[0], node.outside.v6[0]]) await node.exec(["ping", "-c", "1", address]);
    const outboundRules = [{ proto: "udp", port: ALLOWED, action: "ACCEPT" }];
    container = await node.attach({ conflist: exampleConflist(node, { outbound: { outboundRules } }) });
    device = await openRawDevice(container, "eth0");
    router = await macOf(node, "cni0");
  });

  afterAll(async () => {
    await Promise.all([device.close(), outside.close()]);
    await node.close();
  });

  const ways = () => [
    { source: container.v4, destination: node.outside.v4[0] },
    { source: container.v6, destination: node.outside.v6[0] },
  ];
  const send = (packets: readonly Buffer[]) =>
    device.send(...packets.map((packet) => frameOf(packet, { from: device.mac, to: router })));
  const arrivedOf = (name: string) => labelsAt(outside).filter((label) => label.startsWith(name));
  const big = (label: string) => Buffer.concat([Buffer.from(labelled(label)), Buffer.alloc(8_000, "x")]);
  let id = 100;

  /** A datagram in pieces; the label is in the first of them, and `x` in all. */
  const fragmentsOf = (label: string, { port, size }: { readonly port: number; readonly size: number }) =>
    ways().map((way) => {
      const datagram = udpDatagram(big(`${label} ${way.destination}`), { ...way, sourcePort: 1, port });
      return inFragments(datagram, { ...way, protocol: PROTOCOL.udp, size, id: id++ });
    });

  test("a datagram of 8 KB arrives whole at an allowed port, and no piece of one for a denied port does", async () => {
    for (const size of [1_448, 1_232]) {
      for (const pieces of fragmentsOf(`denied ${size}`, { port: DENIED, size })) send(pieces);
      await settle();
      expect(piecesAt(outside)).toBe(0);
      for (const pieces of fragmentsOf(`allowed ${size}`, { port: ALLOWED, size })) send(pieces.toReversed());
      await settle();
      expect(arrivedOf(`allowed ${size}`)).toHaveLength(2);
      expect(piecesAt(outside)).toBe(8 * 1_000 * 2);
      outside.forget();
    }
  });

  test("pieces without their first one do not leave the node, to whatever port", async () => {
    for (const pieces of fragmentsOf("headless", { port: ALLOWED, size: 1_232 })) send(pieces.slice(1));
    await settle();
    expect(piecesAt(outside)).toBe(0);
  });

  test("a first piece of eight bytes, and pieces that write over the port, get nothing to a denied port", async () => {
    for (const pieces of fragmentsOf("tiny", { port: DENIED, size: 8 })) send(pieces);
    for (const way of ways()) {
      const [first, second] = [ALLOWED, DENIED].map((port) =>
        udpDatagram(Buffer.alloc(500), { ...way, sourcePort: 1, port }),
      );
      if (!first || !second) throw new Error("two datagrams");
      const fragment = { id: id++, isLast: false };
      const ip = { ...way, protocol: PROTOCOL.udp };
      send([
        ipPacket(first.subarray(0, 64), { ...ip, fragment: { ...fragment, offset: 0 } }),
        ipPacket(second.subarray(0, 128), { ...ip, fragment: { ...fragment, offset: 0 } }),
        ipPacket(second.subarray(64), { ...ip, fragment: { ...fragment, offset: 64, isLast: true } }),
      ]);
    }
    await settle();
    expect(udpPortsAt(outside)).not.toContain(DENIED);
  });

  test("IP options change nothing, and no source route is followed past the rules", async () => {
    const { source, destination } = { source: container.v4, destination: node.outside.v4[0] };
    const recordRoute = Buffer.from([7, 7, 4, 0, 0, 0, 0, 0]);
    const looseRoute = (via: string) => Buffer.from([131, 7, 4, ...via.split(".").map(Number), 0]);
    const sent = [
      { label: "recorded allowed", destination, port: ALLOWED, options: recordRoute },
      { label: "recorded denied", destination, port: DENIED, options: recordRoute },
      { label: "routed by the host", destination: node.v4, port: ALLOWED, options: looseRoute(destination) },
      { label: "routed by the world", destination, port: DENIED, options: looseRoute(node.outside.v4[1]) },
    ];
    send(sent.map(({ label, ...way }) => udpPacket(labelled(`option ${label}`), { source, sourcePort: 1, ...way })));
    await settle();
    expect(arrivedOf("option ")).toEqual(["option recorded allowed"]);
  });
});

/** How many bytes of `x` came, in whatever pieces: all but the 20 or 40 of headers belong to a datagram of ours. */
function piecesAt(device: RawDevice): number {
  const bytes = device.received().map(({ frame }) => frame.filter((byte) => byte === 0x78).length);
  return bytes.reduce((sum, count) => sum + (count > 100 ? count : 0), 0);
}

/** Destination ports of all UDP packets that are whole or a first piece. */
function udpPortsAt(device: RawDevice): readonly number[] {
  return device.received().flatMap(({ frame }) => {
    const isIpv4 = frame.readUInt8(14) >> 4 === 4;
    const protocol = frame.readUInt8(isIpv4 ? 23 : 20);
    if (protocol === 44)
      return frame.readUInt8(54) === PROTOCOL.udp && frame.readUInt16BE(56) < 8 ? [frame.readUInt16BE(64)] : [];
    if (protocol !== PROTOCOL.udp || (isIpv4 && (frame.readUInt16BE(20) & 0x1fff) !== 0)) return [];
    return [frame.readUInt16BE(isIpv4 ? 14 + (frame.readUInt8(14) & 15) * 4 + 2 : 56)];
  });
}
