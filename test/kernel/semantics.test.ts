import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ensurePackages } from "../setup/packages.ts";
import { exampleConflist } from "../support/cni/conflist.ts";
import { runOutboundFor } from "../support/cni/outbound.ts";
import type { Container } from "../support/container.ts";
import { startFlood } from "../support/flood.ts";
import type { JsonObject } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { applyRuntimeRules, knowRuntimeRules } from "../support/runtime-rules.ts";
import { inBothFamilies } from "../support/saved-rules.ts";
import type { Endpoint } from "../support/traffic/endpoint.ts";
import type { ProbeVerdict } from "../support/traffic/messages.ts";
import { variants } from "../support/variant.ts";
import { monotonicMs } from "../support/wait.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

const families = [4, 6] as const;
const protocols = ["tcp", "udp"] as const;
type Family = (typeof families)[number];

/** Verdicts of `connect` by destination: an index into the outside's addresses, or an address. */
type Verdicts = Readonly<Record<string, ProbeVerdict>>;

describe.each(variants)("with iptables-%s", (backend) => {
  let node: ClientNode;

  beforeAll(async () => {
    node = await createNode({ backend });
    const { v4, v6 } = node.outside;
    await node.outside.listen({ addresses: [...v4, ...v6], ports: [443, 80] });
    await node.listen({ addresses: [node.v4, node.v6], ports: [443, 22] });
  });

  afterAll(async () => {
    await node.close();
  });

  /** The outside's addresses of this number, one of each family: what a rule needs to hold for both. */
  const both = (index: number): string[] => [node.outside.v4[index] ?? "", node.outside.v6[index] ?? ""];

  const attach = (outbound: JsonObject, args: Readonly<Record<string, string>> = {}): Promise<Container> =>
    node.attach({ conflist: exampleConflist(node, { outbound }), args });

  /** Verdicts for the outside's four addresses, the same over both protocols and families, or the test fails. */
  const verdictsFor = async (container: Container, port = 443): Promise<readonly (ProbeVerdict | "mixed")[]> => {
    const ask = (index: number) =>
      Promise.all(
        both(index).flatMap((address) =>
          protocols.map((protocol) => container.connect({ address, port, protocol, timeoutMs: 400 })),
        ),
      );
    const all = await Promise.all([0, 1, 2, 3].map(ask));
    return all.map((verdicts) => (new Set(verdicts).size === 1 ? (verdicts[0] ?? "mixed") : "mixed"));
  };

  describe("the order of decision", () => {
    let container: Container;

    beforeAll(async () => {
      knowRuntimeRules(node, {
        "global/deny": { host: both(0), action: "DROP" },
        "namespace/default/job/web/allow": [
          { host: both(2), action: "ACCEPT" },
          { host: both(3), action: "ACCEPT" },
        ],
        "namespace/default/watched": { rules: [{ host: both(1), action: "DROP" }], mode: "audit" },
        "namespace/default/over": { rules: [{ host: both(1), action: "DROP" }], expiresAt: "2020-01-01T00:00:00Z" },
        "namespace/other/deny": { action: "DROP" },
      });
      container = await attach({
        outboundRules: [
          { host: both(0), action: "ACCEPT" },
          { host: both(1), port: 443, proto: "tcp", action: "ACCEPT" },
          { host: both(1), port: "443", proto: "udp", action: "accept" },
          { host: both(1), action: "REJECT" },
          { host: both(1), port: 80, proto: "tcp", action: "ACCEPT" },
          { host: both(2), action: "DROP" },
        ],
      });
    });

    afterAll(async () => {
      knowRuntimeRules(node, {});
      await container.detach();
    });

    test("a runtime deny beats a static accept, a static drop beats a runtime accept, a runtime accept fills the default", async () => {
      expect(await verdictsFor(container)).toEqual(["timeout", "open", "timeout", "open"]);
    });

    test("the first static rule that matches decides", async () => {
      for (const address of both(1)) {
        expect(await container.connect({ address, port: 80, protocol: "udp" })).toBe("refused");
        expect(await container.connect({ address, port: 80, timeoutMs: 2_500 })).toBe("refused");
      }
    });

    test("what no rule names is dropped by default", async () => {
      const addresses = ["198.51.100.9", "2001:db8:eeee::9"];
      await node.outside.listen({ addresses, ports: [443] });
      for (const address of addresses) {
        expect(await container.connect({ address, port: 443 })).toBe("timeout");
        expect(await node.connect({ address, port: 443, timeoutMs: 2_000 })).toBe("open");
      }
    });
  });

  test.each([
    { defaultAction: "reject", verdict: "refused" },
    { defaultAction: "Accept", verdict: "open" },
    { defaultAction: "dRoP", verdict: "timeout" },
  ])("defaultAction $defaultAction makes the default $verdict, and rules go before it", async (given) => {
    const { defaultAction, verdict } = given;
    const opposite = verdict === "open" ? "DROP" : "ACCEPT";
    const container = await attach({ defaultAction, outboundRules: [{ host: both(1), action: opposite }] });
    for (const address of both(0)) {
      expect(await container.connect({ address, port: 443, protocol: "udp" })).toBe(verdict);
      expect(await container.connect({ address, port: 443, timeoutMs: 2_500 })).toBe(verdict);
    }
    for (const address of both(1)) {
      expect(await container.canReach({ address, port: 443 })).toBe(verdict !== "open");
    }
    await container.detach();
  });

  test("replies to connections from outside pass, through a published port and directly, and nothing else does", async () => {
    const conflist = exampleConflist(node);
    const container = await node.attach({ conflist, portMappings: [{ hostPort: 8080, containerPort: 80 }] });
    await container.listen({ addresses: ["0.0.0.0", "::"], ports: [80] });
    for (const protocol of protocols) {
      for (const address of [node.v4, node.v6]) {
        expect(await node.outside.connect({ address, port: 8080, protocol, timeoutMs: 2_000 })).toBe("open");
      }
      for (const address of container.addresses) {
        expect(await node.outside.connect({ address, port: 80, protocol, timeoutMs: 2_000 })).toBe("open");
        expect(await node.connect({ address, port: 80, protocol, timeoutMs: 2_000 })).toBe("open");
      }
    }
    expect(await verdictsFor(container)).toEqual(["timeout", "timeout", "timeout", "timeout"]);
    await container.detach();
  });

  describe("open connections, by both protocols over both families", () => {
    const allow = (others: JsonObject): JsonObject => ({
      "global/allow": { host: both(0), action: "ACCEPT" },
      ...others,
    });

    const flowsTo = (from: Endpoint, addresses: readonly string[], port: number) =>
      Promise.all(
        addresses.flatMap((address) =>
          protocols.map((protocol) => from.openFlow({ address, port, protocol, timeoutMs: 3_000 })),
        ),
      );

    const attachAllowed = async () => {
      await applyRuntimeRules(node, allow({}));
      const container = await attach({});
      return { container, flows: await flowsTo(container, both(0), 443) };
    };

    test("go on through unrelated changes, end when a deny appears, and go on when it has gone", async () => {
      const { container, flows } = await attachAllowed();
      await applyRuntimeRules(node, allow({ "global/other": { host: "203.0.113.0/24", action: "DROP" } }));
      for (const flow of flows) expect(await flow.isAlive({ withinMs: 1_000 })).toBe(true);
      await applyRuntimeRules(node, allow({ "global/deny": { host: both(0), action: "DROP" } }));
      const deniedAtMs = monotonicMs();
      const lasts = await Promise.all(flows.map((flow) => flow.lastReplyBeforeCut()));
      for (const last of lasts) expect(last?.sentAtMs).toBeLessThan(deniedAtMs);
      await applyRuntimeRules(node, allow({}));
      const returns = await Promise.all(flows.map((flow) => flow.replyAfter(monotonicMs())));
      for (const { repliedAtMs } of returns) expect(repliedAtMs).toBeGreaterThan(deniedAtMs);
      await container.detach();
    });

    test("end when the accept that let them in disappears, and new ones are not let in", async () => {
      const { container, flows } = await attachAllowed();
      await applyRuntimeRules(node, {});
      const appliedAtMs = monotonicMs();
      const lasts = await Promise.all(flows.map((flow) => flow.lastReplyBeforeCut()));
      for (const last of lasts) expect(last?.sentAtMs).toBeLessThan(appliedAtMs);
      expect(await verdictsFor(container)).toEqual(["timeout", "timeout", "timeout", "timeout"]);
      await container.detach();
    });

    test("from outside outlive a deny of everything", async () => {
      await applyRuntimeRules(node, {});
      const container = await attach({});
      await container.listen({ addresses: ["0.0.0.0", "::"], ports: [80] });
      const flows = await flowsTo(node.outside, container.addresses, 80);
      await applyRuntimeRules(node, { "global/deny": { action: "DROP" } });
      for (const flow of flows) expect(await flow.isAlive({ withinMs: 1_000 })).toBe(true);
      await applyRuntimeRules(node, {});
      await container.detach();
    });
  });

  describe("traffic to the host's own addresses", () => {
    const gateways = ["10.88.0.1", "fd00:88::1"];

    beforeAll(async () => {
      knowRuntimeRules(node, {});
      const warmUp = await attach({});
      await node.listen({ addresses: gateways, ports: [443] });
      await warmUp.detach();
    });

    const verdictsOf = async (container: Container, port: number): Promise<Verdicts> => {
      const places = [node.v4, node.v6, ...gateways].map(async (address) => {
        return [address, await container.connect({ address, port, timeoutMs: 400 })] as const;
      });
      return Object.fromEntries(await Promise.all(places));
    };

    const everywhere = (verdict: ProbeVerdict): Verdicts =>
      Object.fromEntries([node.v4, node.v6, ...gateways].map((address) => [address, verdict]));

    test("obeys the rules like any other", async () => {
      const hosts = [node.v4, node.v6, ...gateways];
      const container = await attach({ outboundRules: [{ host: hosts, proto: "tcp", port: 443, action: "ACCEPT" }] });
      expect(await verdictsOf(container, 443)).toEqual(everywhere("open"));
      expect(await verdictsOf(container, 22)).toEqual(everywhere("timeout"));
      await container.detach();
    });

    test("is left alone where hostTraffic says so, though the world is not", async () => {
      const container = await attach({ hostTraffic: "allow" });
      expect(await verdictsOf(container, 443)).toEqual(everywhere("open"));
      expect(await verdictsFor(container)).toEqual(["timeout", "timeout", "timeout", "timeout"]);
      await container.detach();
    });
  });

  test("IPv6 neighbour discovery works under a default of DROP, both ways", async () => {
    const [, v6 = ""] = both(0);
    const container = await attach({ outboundRules: [{ host: v6, action: "ACCEPT" }] });
    await container.listen({ addresses: ["::"], ports: [80] });
    const forget = () =>
      Promise.all([
        container.exec(["ip", "-6", "neigh", "flush", "dev", "eth0"]),
        node.exec(["ip", "-6", "neigh", "flush", "dev", "cni0"]),
      ]);
    await forget();
    expect(await container.connect({ address: v6, port: 443, timeoutMs: 3_000 })).toBe("open");
    await forget();
    expect(await node.outside.connect({ address: container.v6, port: 80, timeoutMs: 3_000 })).toBe("open");
    await container.detach();
  });

  describe.each(["bridge", "ptp"] as const)("sources that are not a container's own, by %s", (main) => {
    const network = {
      bridge: { subnet4: "10.88.0.0/16", subnet6: "fd00:88::/64" },
      ptp: { subnet4: "10.99.0.0/24", subnet6: "fd00:99::/64" },
    }[main];
    const second = ({ bridge: ["10.88.9.9", "fd00:88::99"], ptp: ["10.99.0.99", "fd00:99::99"] } as const)[main];
    const conflistOf = () =>
      exampleConflist(node, { main, ...network, name: main, outbound: { outboundRules: [{ action: "ACCEPT" }] } });

    test("a second address of the container's passes nothing, whatever the rules accept", async () => {
      const conflist = conflistOf();
      const container = await node.attach({ conflist });
      const device = main === "bridge" ? "cni0" : container.hostInterface;
      for (const [index, from] of second.entries()) {
        await container.ip(`addr add ${from}/${index === 0 ? 32 : "128 preferred_lft 0 nodad"} dev eth0`);
        await node.ip(`route replace ${from} dev ${device}`);
      }
      const answers = () =>
        Promise.all(
          second.map((from, index) =>
            container.connect({ address: both(0)[index] ?? "", port: 443, from, protocol: "udp", timeoutMs: 500 }),
          ),
        );
      expect(await answers()).toEqual(["timeout", "timeout"]);
      expect(await verdictsFor(container)).toEqual(["open", "open", "open", "open"]);
      // Without our rules both would pass.
      await runOutboundFor(node, container, { conflist, command: "DEL" });
      expect(await answers()).toEqual(["open", "open"]);
      await container.detach();
    });

    test("a plugin that adds an interface of its own to the result does not hide the container's", async () => {
      const conflist = conflistOf();
      const container = await node.attach({ conflist });
      const { interfaces = [] } = container.result;
      const prevResult = {
        ...container.result,
        interfaces: [interfaces, { name: "lo" }].flat(),
      };
      expect(await runOutboundFor(node, container, { conflist, command: "ADD", prevResult })).toMatchObject({
        exitCode: 0,
      });
      await container.ip(`addr add ${second[0]}/32 dev eth0`);
      await node.ip(`route replace ${second[0]} dev ${main === "bridge" ? "cni0" : container.hostInterface}`);
      const [address] = node.outside.v4;
      expect(await container.connect({ address, port: 443, from: second[0], timeoutMs: 500 })).toBe("timeout");
      expect(await container.connect({ address, port: 443, from: container.v4, timeoutMs: 2_000 })).toBe("open");
      await container.detach();
    });

    test.each(["earlier", "later"])("another container's address passes nothing for one attached %s", async (order) => {
      const conflist = conflistOf();
      const first = await node.attach({ conflist });
      const last = await node.attach({ conflist });
      const [thief, victim] = order === "earlier" ? [first, last] : [last, first];
      await thief.ip(`addr add ${victim.v4}/32 dev eth0`, `addr add ${victim.v6}/128 dev eth0 preferred_lft 0 nodad`);
      const flood = async (source: string, index: number) => {
        const address = both(0)[index] ?? "";
        const running = await startFlood({
          from: thief,
          to: node.outside,
          address,
          port: 9000,
          source,
          packetsPerSecond: 500,
        });
        await setTimeout(200);
        return running.stop();
      };
      const floods = () => Promise.all([victim.v4, victim.v6].map(flood));
      for (const { sent, received } of await floods()) {
        expect(sent).toBeGreaterThan(50);
        expect(received).toBe(0);
      }
      // Without our rules everything would pass.
      for (const container of [thief, victim]) await runOutboundFor(node, container, { conflist, command: "DEL" });
      for (const { received } of await floods()) expect(received).toBeGreaterThan(50);
      await Promise.all([victim.detach(), thief.detach()]);
    });
  });

  test("containers on one bridge reach each other only where their rules say so", async () => {
    knowRuntimeRules(node, {});
    const peer = await attach({});
    await peer.listen({ addresses: ["0.0.0.0", "::"], ports: [443, 80] });
    const container = await attach({
      outboundRules: peer.addresses.map((host) => ({ host, port: 443, proto: "tcp", action: "ACCEPT" })),
    });
    await container.listen({ addresses: ["0.0.0.0", "::"], ports: [443] });
    for (const address of peer.addresses) {
      expect(await container.connect({ address, port: 443, timeoutMs: 2_000 })).toBe("open");
      expect(await container.connect({ address, port: 80 })).toBe("timeout");
    }
    for (const address of container.addresses) expect(await peer.connect({ address, port: 443 })).toBe("timeout");
    await Promise.all([peer.detach(), container.detach()]);
  });

  test("logDenied logs what the default stops with the allocation's id, and nothing that is accepted", async () => {
    const container = await attach({ logDenied: true, outboundRules: [{ host: both(1), action: "ACCEPT" }] });
    const prefix = `outbound ${container.containerId.slice(0, 18)}: `;
    const counted = async (family: Family) => {
      const { stdout } = await node.exec([family === 4 ? "iptables-save" : "ip6tables-save", "-c", "-t", "filter"]);
      const lines = stdout.split("\n").filter((line) => line.includes(`-j LOG --log-prefix "${prefix}"`));
      expect(lines).toHaveLength(1);
      return Number(/^\[(\d+):/.exec(lines[0] ?? "")?.[1]);
    };
    for (const [index, family] of families.entries()) {
      expect(await container.connect({ address: both(1)[index] ?? "", port: 443, timeoutMs: 2_000 })).toBe("open");
      expect(await counted(family)).toBe(0);
      expect(await container.connect({ address: both(0)[index] ?? "", port: 443, protocol: "udp" })).toBe("timeout");
      expect(await counted(family)).toBe(1);
    }
    await container.detach();
    const quiet = await attach({});
    expect((await node.exec(["iptables-save"])).stdout).not.toContain("-j LOG");
    await quiet.detach();
  });

  describe("the host's own firewall", () => {
    test("what it drops later, in FORWARD or INPUT, outbound's accepts do not open", async () => {
      // No firewall plugin: its accepts in CNI-FORWARD would end the matter before the host's rules.
      const conflist = exampleConflist(node, {
        name: "plain",
        firewall: false,
        outbound: { outboundRules: [{ action: "ACCEPT" }] },
      });
      const container = await node.attach({ conflist });
      const rules = ["FORWARD -p tcp --dport 443 -j DROP", "INPUT -p tcp --dport 443 -j DROP"];
      await inBothFamilies(node, "-F FORWARD");
      const again = await runOutboundFor(node, container, { conflist, command: "ADD" });
      expect(again.exitCode).toBe(0);
      await inBothFamilies(node, ...rules.map((rule) => `-A ${rule}`));
      onTestFinished(() => inBothFamilies(node, ...rules.map((rule) => `-D ${rule}`)));
      for (const address of [...both(0), node.v4, node.v6]) {
        expect(await container.connect({ address, port: 443 })).toBe("timeout");
        expect(await container.connect({ address, port: 443, protocol: "udp", timeoutMs: 2_000 })).toBe("open");
      }
      await container.detach();
    });

    test("a policy of DROP in FORWARD is not opened by outbound's accepts", async () => {
      const conflist = exampleConflist(node, {
        name: "plain",
        firewall: false,
        outbound: { outboundRules: [{ action: "ACCEPT" }] },
      });
      await inBothFamilies(node, "-F FORWARD");
      const container = await node.attach({ conflist });
      expect(await verdictsFor(container)).toEqual(["open", "open", "open", "open"]);
      await inBothFamilies(node, "-P FORWARD DROP");
      onTestFinished(() => inBothFamilies(node, "-P FORWARD ACCEPT"));
      expect(await verdictsFor(container)).toEqual(["timeout", "timeout", "timeout", "timeout"]);
      await container.detach();
    });

    test("the mark that outbound accepts with does not stay on a packet", async () => {
      const container = await attach({ outboundRules: [{ action: "ACCEPT" }] });
      const rule = "POSTROUTING -t mangle -o uplink -m mark ! --mark 0 -j DROP";
      await inBothFamilies(node, `-A ${rule}`);
      onTestFinished(() => inBothFamilies(node, `-D ${rule}`));
      expect(await verdictsFor(container)).toEqual(["open", "open", "open", "open"]);
      await container.detach();
    });
  });

  test.each([
    { jobRules: "accept", verdicts: ["open", "timeout", "timeout", "open"] },
    { jobRules: "deny-only", verdicts: ["timeout", "timeout", "timeout", "open"] },
    { jobRules: "ignore", verdicts: ["timeout", "open", "timeout", "open"] },
  ])("jobRules $jobRules: what a job's own rules can do", async ({ jobRules, verdicts }) => {
    knowRuntimeRules(node, {});
    const fromJob = [
      { host: both(0), action: "ACCEPT" },
      { host: both(1), action: "DROP" },
      { host: both(2), action: "ACCEPT" },
    ];
    const outboundRules = [
      { host: both(1), action: "ACCEPT" },
      { host: both(2), action: "DROP" },
      { host: both(3), action: "ACCEPT" },
    ];
    const container = await attach(
      { jobRules, outboundRules },
      { "outbound.additional_rules": JSON.stringify(fromJob) },
    );
    expect(await verdictsFor(container)).toEqual(verdicts);
    await container.detach();
  });

  test("runtimeRules of the conflist hold until KV has a rule set for the network, and again after it", async () => {
    knowRuntimeRules(node, { "network/elsewhere/x": { host: both(1), action: "ACCEPT" } });
    const container = await attach({ runtimeRules: [{ host: both(0), action: "ACCEPT" }] });
    expect(await verdictsFor(container)).toEqual(["open", "timeout", "timeout", "timeout"]);
    await applyRuntimeRules(node, { "network/egress/x": { host: both(1), action: "ACCEPT" } });
    expect(await verdictsFor(container)).toEqual(["timeout", "open", "timeout", "timeout"]);
    await applyRuntimeRules(node, {});
    expect(await verdictsFor(container)).toEqual(["open", "timeout", "timeout", "timeout"]);
    await container.detach();
  });
});
