import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { UninstallReport } from "../../lib/inspect/uninstall-report.ts";
import { writeObserved } from "../../lib/host/observed-file.ts";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { type Conflist, exampleConflist } from "../support/cni/conflist.ts";
import { outboundPath, runOutboundFor } from "../support/cni/outbound.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import type { Container } from "../support/container.ts";
import { parseOwnJson } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { type NodeSnapshot, takeSnapshot } from "../support/node-snapshot.ts";
import { inBothFamilies } from "../support/saved-rules.ts";
import { variants } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";

const jobRules = JSON.stringify([{ host: "198.51.100.9", action: "DROP" }]);

/** Rules of others, as a node with Docker and a firewall of its own has them, in both variants and in nftables. */
async function addForeignRules(node: ClientNode): Promise<void> {
  await inBothFamilies(
    node,
    "-N DOCKER-USER",
    "-N DOCKER-FORWARD",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -j DOCKER-FORWARD",
    "-A DOCKER-USER -j RETURN",
    "-A DOCKER-FORWARD -i docker0 -j ACCEPT",
    "-A INPUT -p tcp --dport 22 -m comment --comment outbound:1:not-ours -j ACCEPT",
    "-A OUTPUT -o lo -j ACCEPT",
    "-P OUTPUT ACCEPT",
    "-t nat -A POSTROUTING -o docker0 -j MASQUERADE",
    "-t mangle -A PREROUTING -j MARK --or-mark 1",
  );
  const other = variants.filter((variant) => variant !== node.backend).map((each) => `xtables-${each}-multi`);
  for (const program of other) await node.exec([program, "iptables", "-A", "FORWARD", "-s", "203.0.113.0/24"]);
  const chain = ["type filter hook input priority 5", "tcp dport 2222 counter drop"];
  const table = ["table inet host {", "chain input {", ...chain, "}", "}", ""];
  await node.exec(["nft", "-f", "-"], { input: table.join("\n") });
}

/** What outbound is put on, and taken off again and again. */
interface Bare {
  readonly node: ClientNode;
  readonly consul: ConsulAgent;
  /** With addresses, interfaces and the firewall plugin's rules, which stay all the time. */
  readonly containers: readonly Container[];
  readonly before: NodeSnapshot;
}

async function prepare(node: ClientNode, consul: ConsulAgent): Promise<Bare> {
  await addForeignRules(node);
  const plain = exampleConflist(node, { outbound: false });
  const options = { conflist: plain, args: { "outbound.additional_rules": jobRules } };
  const containers = await Promise.all([1, 2, 3].map(() => node.createContainer(options)));
  for (const container of containers) await container.add();
  return { node, consul, containers, before: await takeSnapshot(node) };
}

function outboundConflist(node: ClientNode, chainName: string): Conflist {
  const logging = { enable: true, directory: `${node.directory}/logs` };
  const outboundRules = [{ host: [node.outside.v4[0], node.outside.v6[0]], action: "REJECT" }];
  const own = { chainName, defaultAction: "REJECT", logDenied: true, outboundRules, logging };
  return exampleConflist(node, { outbound: own });
}

/** Attaches all containers, the last one with a main chain of another name, and has rules of every kind pushed. */
async function install({ node, consul, containers }: Bare): Promise<Watcher> {
  await consul.put("outbound/rules/global/deny", { host: "198.51.100.1", action: "DROP" });
  await consul.put("outbound/rules/namespace/default/job/web/db", {
    host: [node.outside.v4[1], node.outside.v6[1]],
    action: "ACCEPT",
  });
  await consul.put("outbound/rules/global/later", { rules: [{ action: "DROP" }], mode: "audit" });
  for (const [index, container] of containers.entries()) {
    const conflist = outboundConflist(node, index === 2 ? "OTHER-OUT" : "CNI-OUTBOUND");
    expect(await runOutboundFor(node, container, { conflist, command: "ADD" })).toMatchObject({ exitCode: 0 });
  }
  const watcher = await startWatcher(node);
  await watcher.waitForLine("In sync with Consul");
  await waitUntil(async () => (await watcher.ready()).status === 200, { what: "the watcher to be in sync" });
  writeObserved(node.stateDir, []);
  return watcher;
}

async function uninstall({ node }: Bare): Promise<UninstallReport> {
  const where = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir];
  const { stdout } = await node.exec([outboundPath, "uninstall", "--yes", "--json", ...where]);
  return parseOwnJson<UninstallReport>(stdout);
}

/** Logs are for people to look at later. */
async function snapshotWithoutLogs({ node }: Bare): Promise<NodeSnapshot> {
  rmSync(`${node.directory}/logs`, { recursive: true, force: true });
  return takeSnapshot(node);
}

const endings: readonly (readonly [string, (bare: Bare, watcher: Watcher) => Promise<void>])[] = [
  ["with containers running and the watcher stopped", async (_, watcher) => void (await watcher.stop())],
  ["after the watcher was killed", (_, watcher) => watcher.kill()],
  [
    "after some of the containers were detached",
    async ({ node, containers: [first] }, watcher) => {
      await watcher.stop();
      if (!first) throw new Error("Cannot detach: there is no container");
      const conflist = outboundConflist(node, "CNI-OUTBOUND");
      expect(await runOutboundFor(node, first, { conflist, command: "DEL" })).toMatchObject({ exitCode: 0 });
    },
  ],
  [
    "after all of the containers were detached",
    async ({ node, containers }, watcher) => {
      for (const [index, container] of containers.entries()) {
        const conflist = outboundConflist(node, index === 2 ? "OTHER-OUT" : "CNI-OUTBOUND");
        expect(await runOutboundFor(node, container, { conflist, command: "DEL" })).toMatchObject({ exitCode: 0 });
      }
      await watcher.stop();
    },
  ],
  [
    "after state and cache were lost",
    async ({ node }, watcher) => {
      await watcher.kill();
      for (const folder of [node.stateDir, node.cacheDir]) rmSync(folder, { recursive: true });
    },
  ],
  [
    "after somebody flushed our chains and doubled a jump",
    async ({ node }, watcher) => {
      await watcher.kill();
      await inBothFamilies(node, "-F CNI-OUTBOUND");
      const { stdout } = await node.exec(["iptables", "-S", "CNI-FORWARD"]);
      const jump = /^-A CNI-FORWARD (.*-j CNI-OUTBOUND)$/m.exec(stdout)?.[1] ?? "";
      await node.exec(["sh", "-c", `iptables -A FORWARD ${jump}`]);
    },
  ],
  [
    "after an ADD that was killed at any instant",
    async ({ node, containers: [first] }, watcher) => {
      await watcher.kill();
      if (!first) throw new Error("Cannot attach: there is no container");
      const { containerId, path: netns, attaching, result } = first;
      const conflist = outboundConflist(node, "CNI-OUTBOUND");
      const plugin = conflist.plugins.find(({ type }) => type === "outbound");
      const { name, cniVersion } = conflist;
      const input = JSON.stringify({ ...plugin, name, cniVersion, prevResult: result });
      const identity = { CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_ARGS: attaching.args ?? "" };
      for (let ms = 4; ms < 64; ms += 4) {
        const env = { CNI_COMMAND: "ADD", CNI_IFNAME: "eth0", CNI_PATH: "/usr/lib/cni", ...identity };
        // "timeout" kills itself with the same signal.
        const argv = ["sh", "-c", 'timeout --signal=KILL "$@"; true', "sh", String(ms / 1000), outboundPath];
        await node.exec(argv, { input, env });
      }
    },
  ],
];

describe.each(variants)("on a node with iptables-%s, foreign rules and rules of every kind of ours", (backend) => {
  let node: ClientNode | undefined;
  let consul: ConsulAgent | undefined;
  let bare: Bare;

  beforeAll(async () => {
    await ensurePackages({ docker: false });
    node = await createNode({ backend, name: "n1" });
    consul = await startConsul({ binary: await ensureConsul(), inNamespace: node });
    bare = await prepare(node, consul);
  }, 900_000);

  afterAll(async () => {
    await node?.close();
    await consul?.close();
  });

  test.each(endings)("uninstall leaves it as it was %s", async (_, end) => {
    const watcher = await install(bare);
    expect(await takeSnapshot(bare.node)).not.toEqual(bare.before);
    await end(bare, watcher);
    expect(await uninstall(bare)).toMatchObject({ isDone: true, leftFolders: [] });
    expect(await snapshotWithoutLogs(bare)).toEqual(bare.before);
  });
});

test.each(variants)(
  "on a node where nothing ever used iptables-%s, only an empty table stays, and that is said",
  async (backend) => {
    const node = await createNode({ backend });
    onTestFinished(() => node.close());
    const container = await node.attach({
      conflist: exampleConflist(node, { outbound: false, firewall: false, portmap: false }),
    });
    const before = await takeSnapshot(node);
    const conflist = exampleConflist(node, { firewall: false, portmap: false });
    expect(await runOutboundFor(node, container, { conflist, command: "ADD" })).toMatchObject({ exitCode: 0 });
    const where = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir];
    const { stdout } = await node.exec([outboundPath, "uninstall", "--yes", ...where]);
    const after = await takeSnapshot(node);
    const changed = Object.fromEntries(Object.entries(after).filter(([what, text]) => text !== before[what]));
    const empty = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    const saves = ["iptables-save", "ip6tables-save"].map((program) => [`xtables-${backend}-multi ${program}`, empty]);
    const tables = { "nft list ruleset": "table ip filter {\n}\ntable ip6 filter {\n}\n" };
    expect(changed).toEqual({ ...Object.fromEntries(saves), ...(backend === "nft" && tables) });
    const told = ["IPv4: FORWARD stays, empty", "IPv6: INPUT stays, empty"].filter((line) => stdout.includes(line));
    expect(told).toHaveLength(backend === "nft" ? 0 : 2);
  },
);
