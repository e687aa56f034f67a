import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { type Conflist, exampleConflist } from "../support/cni/conflist.ts";
import { CniFailure, runPlugin } from "../support/cni/plugin.ts";
import { listResults } from "../support/cni/result-cache.ts";
import { runCommand } from "../support/command.ts";
import { startConsul } from "../support/consul-agent.ts";
import type { Container } from "../support/container.ts";
import { startFlood } from "../support/flood.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { variants } from "../support/variant.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("a node with iptables-%s", (backend) => {
  let node: ClientNode;
  let conflist: Conflist;
  let container: Container;

  beforeAll(async () => {
    node = await createNode({ backend });
    conflist = exampleConflist(node, { outbound: false });
    const { v4, v6 } = node.outside;
    await node.outside.listen({ addresses: [...v4, ...v6, "198.51.100.7", "2001:db8:eeee::7"], ports: [443] });
    // The firewall and portmap plugins leave their shared chains behind; from here on nothing else may stay.
    await node
      .attach({ conflist, portMappings: [{ hostPort: 8081, containerPort: 80 }] })
      .then((first) => first.detach());
    container = await node.attach({ conflist, portMappings: [{ hostPort: 8080, containerPort: 80 }] });
    await container.listen({ addresses: ["0.0.0.0", "::"], ports: [80] });
  });

  afterAll(async () => {
    await node.close();
  });

  test("uses that variant for every program on it", async () => {
    const { stdout } = await node.exec(["ip6tables", "--version"]);
    expect(stdout).toContain(backend === "nft" ? "nf_tables" : "legacy");
    expect((await node.exec(["iptables-save"])).stdout).toContain(`-A CNI-FORWARD -s ${container.v4}/32 -j ACCEPT`);
  });

  test.each(["tcp", "udp"] as const)("lets a container reach the outside by %s on both families", async (protocol) => {
    const addresses = [...node.outside.v4, ...node.outside.v6, "198.51.100.7", "2001:db8:eeee::7"];
    const reached = await Promise.all(
      addresses.map((address) => container.canReach({ address, port: 443, protocol, timeoutMs: 2_000 })),
    );
    expect(reached).toEqual(addresses.map(() => true));
  });

  test("publishes a port on the node's address, and routes to the container itself", async () => {
    const reach = { timeoutMs: 2_000 };
    expect(await node.outside.canReach({ address: node.v4, port: 8080, ...reach })).toBe(true);
    expect(await node.outside.canReach({ address: node.v4, port: 8080, protocol: "udp", ...reach })).toBe(true);
    expect(await node.outside.canReach({ address: node.v6, port: 8080, ...reach })).toBe(true);
    expect(await node.outside.canReach({ address: container.v6, port: 80, ...reach })).toBe(true);
    expect(await node.outside.canReach({ address: node.v4, port: 8099 })).toBe(false);
  });

  test.each([
    { target: "DROP", verdict: "timeout" },
    { target: "REJECT", verdict: "refused" },
  ])("tells a $target by its verdict, many times in a row", async ({ target, verdict }) => {
    const [address, free] = node.outside.v4;
    await withRule(node, ["iptables", "FORWARD", "-d", address, "-j", target], async () => {
      for (let i = 0; i < 5; i++) {
        expect(await container.connect({ address, port: 443, timeoutMs: 100 })).toBe(verdict);
        expect(await container.connect({ address, port: 443, protocol: "udp", timeoutMs: 100 })).toBe(verdict);
      }
      expect(await container.connect({ address: free, port: 443, timeoutMs: 2_000 })).toBe("open");
    });
  });

  test("tells rejections over IPv6: by TCP reset and over UDP at once, by ICMP from the second SYN on", async () => {
    const [address] = node.outside.v6;
    await withRule(node, ["ip6tables", "FORWARD", "-d", address, "-j", "REJECT"], async () => {
      expect(await container.connect({ address, port: 443, protocol: "udp" })).toBe("refused");
      expect(await container.connect({ address, port: 443, timeoutMs: 5_000 })).toBe("refused");
    });
    const reset = ["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"];
    await withRule(node, ["ip6tables", "FORWARD", "-d", address, ...reset], async () => {
      expect(await container.connect({ address, port: 443 })).toBe("refused");
    });
  });

  test.each(["tcp", "udp"] as const)("sees when an open %s flow is cut, and when it comes back", async (protocol) => {
    const [address] = node.outside.v4;
    const flow = await container.openFlow({ address, port: 443, protocol });
    const cutAtMs = await withRule(node, ["iptables", "FORWARD", "-d", address, "-j", "DROP"], async () => {
      const ruleAtMs = monotonicMs();
      const last = await flow.lastReplyBeforeCut();
      expect(last?.sentAtMs).toBeLessThan(ruleAtMs);
      expect(await flow.isAlive({ withinMs: 50 })).toBe(false);
      return ruleAtMs;
    });
    expect((await flow.replyAfter(cutAtMs)).repliedAtMs).toBeGreaterThan(cutAtMs);
    expect((await flow.close()).ended).toBeUndefined();
  });

  test("sends from an address that is not the container's own", async () => {
    await container.ip("addr add 10.88.0.77/16 dev eth0");
    const [address] = node.outside.v4;
    await withRule(node, ["iptables", "FORWARD", "-s", "10.88.0.77", "-j", "REJECT"], async () => {
      expect(await container.connect({ address, port: 443, from: "10.88.0.77" })).toBe("refused");
      expect(await container.connect({ address, port: 443, timeoutMs: 2_000 })).toBe("open");
    });
  });

  test.each([4, 6] as const)("floods over IPv%i at 10,000 packets a second and counts what passes", async (family) => {
    const [address] = family === 4 ? node.outside.v4 : node.outside.v6;
    const iptables = family === 4 ? "iptables" : "ip6tables";
    const open = await startFlood({ from: container, to: node.outside, address, port: 9000 });
    await waitUntil(async () => (await open.passed()).received > 3_000, { what: "packets to pass" });
    const report = await open.stop();
    expect(report.received).toBe(report.sent);
    expect(report.packetsPerSecond).toBeGreaterThanOrEqual(9_900);
    await withRule(node, [iptables, "FORWARD", "-p", "udp", "--dport", "9001", "-j", "DROP"], async () => {
      const shut = await startFlood({ from: container, to: node.outside, address, port: 9001 });
      await waitUntil(async () => (await shut.passed()).received > 0, { what: "a hole", timeoutMs: 300 }).catch(
        () => {},
      );
      expect(await shut.stop()).toMatchObject({ received: 0, receivedSentAfter: 0 });
    });
  });

  test("leaves the tables as they were after a detach", async () => {
    const before = await savedRules(node);
    const other = await node.attach({ conflist, portMappings: [{ hostPort: 8090, containerPort: 80 }] });
    expect(await savedRules(node)).not.toEqual(before);
    await other.detach();
    expect(await savedRules(node)).toEqual(before);
    expect((await listResults(node)).map(({ containerId }) => containerId)).toEqual([container.containerId]);
  });

  test("checks a container without published ports, and fails once its rule is gone", async () => {
    const plain = await node.attach({ conflist: exampleConflist(node, { outbound: false, portmap: false }) });
    await plain.check();
    await node.exec(["iptables", "-D", "CNI-FORWARD", "-s", `${plain.v4}/32`, "-j", "ACCEPT"]);
    const failure = await plain.check().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CniFailure);
    expect(failure).toMatchObject({ plugin: "firewall", command: "CHECK", error: { code: 999 } });
    await plain.detach();
  });

  test("undoes a failed ADD as Nomad does, and reports it", async () => {
    const reservations = await readdir(join(node.ipamDir, "egress"));
    const bad = { ...conflist, plugins: [...conflist.plugins, { type: "tuning", sysctl: { "net.no.such": "1" } }] };
    await expect(node.attach({ conflist: bad })).rejects.toThrow(/^plugin type="tuning" failed \(add\): .*net/);
    // The rules of the firewall plugin stay: without a cached result, it has no address to delete them by.
    expect(await readdir(join(node.ipamDir, "egress"))).toEqual(reservations);
    expect(await listResults(node)).toHaveLength(1);
  });

  test("attaches by ptp, with IPv4 only, behind masquerade", async () => {
    const options = { main: "ptp", subnet4: "10.99.0.0/24", subnet6: false, ipMasq: true, name: "ptp" } as const;
    const ptp = await node.attach({ conflist: exampleConflist(node, { outbound: false, ...options }) });
    expect(ptp.addresses).toEqual(["10.99.0.2"]);
    expect(ptp.hostInterface).toMatch(/^veth/);
    expect(await ptp.canReach({ address: node.outside.v4[0], port: 443, timeoutMs: 2_000 })).toBe(true);
    await ptp.detach();
  });
});

test("runs one plugin by itself, and gives what it printed", async () => {
  const node = await createNode({ backend: "nft" });
  onTestFinished(() => node.close());
  const version = await runPlugin(node, "bridge", { command: "VERSION", config: { cniVersion: "1.0.0" } });
  expect(version).toMatchObject({ exitCode: 0, json: { cniVersion: "1.0.0" } });
  expect((await runPlugin(node, "bridge", {})).stderr).toMatch(/^CNI bridge plugin/);
});

test("a closed node leaves no namespace, no directory and no process behind", async () => {
  const node = await createNode({ backend: "nft" });
  onTestFinished(() => node.close());
  const container = await node.attach({ conflist: exampleConflist(node, { outbound: false, firewall: false }) });
  await container.listen({ addresses: ["127.0.0.1"], ports: [1] });
  const { stdout: agents } = await runCommand(["ip", "netns", "pids", container.namespace]);
  const sleeper = await node.start(["sleep", "1000"]);
  await node.close();
  const { stdout: namespaces } = await runCommand(["ip", "netns", "list"]);
  for (const { namespace } of [node, node.outside, container]) expect(namespaces).not.toContain(namespace);
  await expect(readdir(node.directory)).rejects.toThrow("ENOENT");
  expect(agents.trim()).toMatch(/^\d+$/);
  expect(() => process.kill(Number(agents), 0)).toThrow("ESRCH");
  expect(sleeper.exitCode()).toBe(128);
});

describe("Consul", () => {
  let binary: string;
  beforeAll(async () => {
    binary = await ensureConsul();
  }, 600_000);

  test("runs inside a node's namespace and is reached from the test", async () => {
    const node = await createNode({ backend: "nft" });
    onTestFinished(() => node.close());
    const consul = await startConsul({ binary, inNamespace: node });
    onTestFinished(() => consul.close());
    await consul.put("outbound/rules/global/a b", { action: "DROP" });
    expect(await consul.get("outbound/rules/global/a b")).toBe('{"action":"DROP"}');
    await consul.delete("outbound/", { recurse: true });
    expect(await consul.get("outbound/rules/global/a b")).toBeUndefined();
    expect(await node.connect({ address: "127.0.0.1", port: 8500, timeoutMs: 2_000 })).toBe("open");
  });

  test("keeps its data over a restart only where asked, and not when wiped", async () => {
    const consul = await startConsul({ binary, persistent: true });
    onTestFinished(() => consul.close());
    await consul.put("a", "1");
    await consul.kill("SIGKILL");
    await expect(consul.get("a")).rejects.toThrow("connect");
    await consul.start();
    expect(await consul.get("a")).toBe("1");
    await consul.start({ wipe: true });
    expect(await consul.get("a")).toBeUndefined();
  }, 60_000);

  test("denies by default with ACLs, and gives tokens that may do what they say", async () => {
    const consul = await startConsul({ binary, acl: true });
    onTestFinished(() => consul.close());
    await consul.put("outbound/a", "1");
    const token = await consul.createToken('key_prefix "outbound/" { policy = "read" }');
    const read = await consul.request({ path: "/v1/kv/outbound/a?raw", token });
    const write = await consul.request({ method: "PUT", path: "/v1/kv/outbound/a", body: "2", token });
    const anonymous = await consul.request({ path: "/v1/kv/outbound/a", token: "" });
    expect([read.status, read.body, write.status, anonymous.status]).toEqual([200, "1", 403, 403]);
  });
});

/** Holds a rule at the top of a chain while `work` runs. */
async function withRule<T>(node: ClientNode, rule: readonly string[], work: () => Promise<T>): Promise<T> {
  const [iptables = "", chain = "", ...match] = rule;
  await node.exec([iptables, "-w", "-I", chain, "1", ...match]);
  try {
    return await work();
  } finally {
    await node.exec([iptables, "-w", "-D", chain, ...match]);
  }
}

/** All rules of both families, without counters and times. */
async function savedRules(node: ClientNode): Promise<readonly string[]> {
  const saved = await Promise.all(["iptables-save", "ip6tables-save"].map((command) => node.exec([command])));
  return saved.map(({ stdout }) => stdout.replace(/^#.*\n/gm, "").replace(/\[\d+:\d+\]/g, ""));
}
