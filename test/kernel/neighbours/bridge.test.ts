import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { ensurePackages } from "../../setup/packages.ts";
import { exampleConflist } from "../../support/cni/conflist.ts";
import type { Container } from "../../support/container.ts";
import { type ClientNode, createNode } from "../../support/network-namespace.ts";
import { type HostPort, labelled, labelsAt, macOf, openHostPort, settle } from "../../support/raw/labels.ts";
import { frameOf, udpPacket } from "../../support/raw/packet.ts";
import { openRawDevice, type RawDevice } from "../../support/raw/raw-device.ts";
import { variants } from "../../support/variant.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const PORT = 9_001;
const strangers = { 4: "10.88.77.7", 6: "fd00:88::7777" } as const;

/**
 * What iptables is not shown it cannot stop. These tests say how far that goes today, in both directions: where one of
 * them fails because less gets through, so much the better, and the README has to be told.
 */
describe.each(variants)("with iptables-%s, on a bridge", (backend) => {
  let node: ClientNode;
  let outside: RawDevice;
  let host: HostPort;
  /** Its rules let it nowhere. */
  let closed: Container;
  /** Its rules let it to the first outside addresses. */
  let open: Container;
  let device: RawDevice;
  let neighbour: RawDevice;

  const destinations = () => ({ 4: node.outside.v4[0], 6: node.outside.v6[0] });

  beforeAll(async () => {
    node = await createNode({ backend });
    outside = await openRawDevice(node.outside, "uplink");
    host = await openHostPort(node, PORT);
    const { 4: v4, 6: v6 } = destinations();
    await node.outside.listen({ addresses: [v4, v6, node.outside.v4[1], node.outside.v6[1]], ports: [443] });
    for (const address of [v4, v6]) await node.exec(["ping", "-c", "1", address]);
    closed = await node.attach({ conflist: exampleConflist(node) });
    const outbound = { outboundRules: [{ host: [v4, v6], action: "ACCEPT" }] };
    open = await node.attach({ conflist: exampleConflist(node, { outbound }) });
    await open.listen({ addresses: ["0.0.0.0", "::"], ports: [443] });
    device = await openRawDevice(closed, "eth0");
    neighbour = await openRawDevice(open, "eth0");
  });

  afterAll(async () => {
    await Promise.all([device, neighbour, outside].map((each) => each.close()));
    await node.close();
  });

  const setBridgeFilter = (value: 0 | 1) =>
    node.setSysctls([`net.bridge.bridge-nf-call-iptables=${value}`, `net.bridge.bridge-nf-call-ip6tables=${value}`]);

  beforeEach(() => setBridgeFilter(1));

  /** From `closed`, with its own source, a stranger's and the other container's: which arrived, and where. */
  const arrivals = async (name: string, tags: readonly number[] = []): Promise<readonly string[]> => {
    const router = await macOf(node, "cni0");
    for (const family of [4, 6] as const) {
      const sources = {
        own: family === 4 ? closed.v4 : closed.v6,
        stranger: strangers[family],
        other: family === 4 ? open.v4 : open.v6,
      };
      const places = {
        world: [destinations()[family], router],
        host: [family === 4 ? node.v4 : node.v6, router],
        neighbour: [family === 4 ? open.v4 : open.v6, neighbour.mac],
      } as const;
      for (const [who, source] of Object.entries(sources)) {
        for (const [place, [destination, to]] of Object.entries(places)) {
          const payload = labelled(`${name}: ${who} to ${place} over IPv${family}`);
          const packet = udpPacket(payload, { source, destination, sourcePort: 1, port: PORT });
          device.send(frameOf(packet, { from: device.mac, to, tags }));
        }
      }
    }
    await settle();
    const at = { world: labelsAt(outside), host: host.labels(), neighbour: labelsAt(neighbour) };
    // An ICMP error carries what it is about, wherever it goes.
    return Object.entries(at)
      .flatMap(([place, labels]) => labels.filter((label) => label.includes(` to ${place} `)))
      .flatMap((label) => (label.startsWith(`${name}: `) ? [label.slice(name.length + 2)] : []))
      .toSorted();
  };

  const overBoth = (...ways: readonly string[]) =>
    ways.flatMap((way) => [`${way} over IPv4`, `${way} over IPv6`]).toSorted();

  const toNeighbour = ["own to neighbour", "stranger to neighbour", "other to neighbour"];
  const unseen = overBoth(...toNeighbour, "stranger to world", "stranger to host", "other to world");

  test("that iptables sees, nothing forbidden arrives", async () => {
    expect(await arrivals("seen")).toEqual([]);
  });

  describe("that iptables does not see, by bridge-nf-call-iptables = 0", () => {
    beforeEach(() => setBridgeFilter(0));

    test("the world and the host obey the rules for a container's own address", async () => {
      const { v4, v6 } = node.outside;
      const verdicts = (from: Container, index: 0 | 1) =>
        Promise.all([v4[index], v6[index]].map((address) => from.connect({ address, port: 443, timeoutMs: 400 })));
      expect(await verdicts(closed, 0)).toEqual(["timeout", "timeout"]);
      expect(await verdicts(open, 0)).toEqual(["open", "open"]);
      expect(await verdicts(open, 1)).toEqual(["timeout", "timeout"]);
      const arrived = await arrivals("own");
      for (const way of overBoth("own to world", "own to host")) expect(arrived).not.toContain(way);
    });

    test("a neighbour is reached past the rules, a stranger's source passes, and another's has that one's rules", async () => {
      for (const address of open.addresses) {
        expect(await closed.connect({ address, port: 443, timeoutMs: 2_000 })).toBe("open");
      }
      expect(await arrivals("unseen")).toEqual(unseen);
    });

    test("the rules hold again with the setting back, for what is open too", async () => {
      const flows = await Promise.all(open.addresses.map((address) => closed.openFlow({ address, port: 443 })));
      await setBridgeFilter(1);
      for (const flow of flows) await flow.lastReplyBeforeCut();
      expect(await arrivals("back")).toEqual([]);
    });
  });

  describe("a frame with a VLAN tag, which needs CAP_NET_RAW or CAP_NET_ADMIN in the container,", () => {
    const setTagFilter = (value: 0 | 1) => node.setSysctls([`net.bridge.bridge-nf-filter-vlan-tagged=${value}`]);

    beforeEach(() => setTagFilter(0));

    test("of VLAN 0, which every receiver takes for none, is not seen, unless by bridge-nf-filter-vlan-tagged", async () => {
      expect(await arrivals("tagged", [0])).toEqual(unseen);
      await setTagFilter(1);
      expect(await arrivals("seen tagged", [0])).toEqual([]);
      expect(await arrivals("twice tagged", [0, 0])).toEqual(unseen);
    });

    test("of whatever VLAN gets nowhere once nft drops what is tagged before the bridge sees it", async () => {
      const rules = `table bridge untagged {
        chain prerouting { type filter hook prerouting priority -300; iifname "veth*" ether type { 8021q, 8021ad } drop; }
      }`;
      await node.exec(["nft", "-f", "-"], { input: rules });
      onTestFinished(async () => void (await node.exec(["nft", "delete", "table", "bridge", "untagged"])));
      for (const tags of [[0], [0, 0], [5]]) expect(await arrivals(`dropped ${tags.join(" ")}`, tags)).toEqual([]);
      const [address] = node.outside.v4;
      expect(await open.connect({ address, port: 443, timeoutMs: 2_000 })).toBe("open");
    });

    test("of another VLAN reaches a neighbour's interface only, unless by bridge-nf-filter-vlan-tagged", async () => {
      expect(await arrivals("foreign", [5])).toEqual(overBoth(...toNeighbour));
      await setTagFilter(1);
      expect(await arrivals("seen foreign", [5])).toEqual([]);
    });
  });
});
