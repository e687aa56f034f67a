import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { type Conflist, exampleConflist } from "../support/cni/conflist.ts";
import { outboundPath, runOutboundFor } from "../support/cni/outbound.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import type { Container } from "../support/container.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { type NodeSnapshot, takeSnapshot } from "../support/node-snapshot.ts";
import { variants } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";

const documentFile = join(import.meta.dirname, "..", "..", "docs", "break-glass.md");

/** The commands of the document, by the number of their section. */
async function readCommands(): Promise<ReadonlyMap<string, readonly string[]>> {
  const sections = (await readFile(documentFile, "utf8")).split(/^## (?=\d)/m).slice(1);
  return new Map(
    sections.map((section) => {
      const blocks = [...section.matchAll(/^```bash\n(.*?)^```$/gms)].map(([, block = ""]) => block);
      return [section.slice(0, section.indexOf(".")), blocks];
    }),
  );
}

describe.each(variants)("what the document on breaking glass says, on a node with iptables-%s", (backend) => {
  let commands: ReadonlyMap<string, readonly string[]>;
  let node: ClientNode;
  let consul: ConsulAgent;
  let conflist: Conflist;
  let opened: Container;
  let other: Container;
  let before: NodeSnapshot;
  let watcher: Watcher;

  beforeAll(async () => {
    await ensurePackages({ docker: false });
    commands = await readCommands();
    node = await createNode({ backend, name: "n1" });
    consul = await startConsul({ binary: await ensureConsul(), inNamespace: node });
    const { v4, v6 } = node.outside;
    await node.outside.listen({ addresses: [v4[1], v6[1]], ports: [1001] });
    await node.listen({ addresses: [node.v4, node.v6], ports: [1002] });
    await writeWrapper();
    const plain = exampleConflist(node, { outbound: false });
    opened = await node.attach({ conflist: plain, containerId: "8f1c0001-1111-2222-3333-444455556666" });
    other = await node.attach({ conflist: plain, containerId: "8f1c0002-1111-2222-3333-444455556666" });
    conflist = exampleConflist(node, { outbound: {} });
    before = await takeSnapshot(node);
  }, 900_000);

  beforeEach(async () => {
    for (const container of [opened, other]) {
      const { exitCode, stdout } = await runOutboundFor(node, container, { conflist, command: "ADD" });
      if (exitCode !== 0) throw new Error(`Cannot attach: ${stdout}`);
    }
    watcher = await startWatcher(node);
    await watcher.waitForLine("In sync with Consul");
    await waitUntil(async () => (await watcher.ready()).status === 200, { what: "the watcher to be in sync" });
  });

  afterEach(async () => {
    await watcher.kill();
    await consul.delete("outbound/", { recurse: true });
  });

  afterAll(async () => {
    await node.close();
    await consul.close();
  });

  /** What an operator finds in PATH, with this node's folders. */
  async function writeWrapper(): Promise<void> {
    const state = `--state-dir ${node.stateDir} --cache-dir ${node.cacheDir}`;
    const script = `#!/bin/sh\ncase $1 in rules) exec ${outboundPath} "$@" ;; *) exec ${outboundPath} "$@" ${state} ;; esac\n`;
    await mkdir(wrapperFolder(), { recursive: true });
    await writeFile(join(wrapperFolder(), "outbound"), script, { mode: 0o755 });
  }

  function wrapperFolder(): string {
    return join(node.directory, "wrapper");
  }

  /** Runs the blocks of a section, or one of them, as they stand there; returns what they print. */
  async function run(section: string, block?: number): Promise<string> {
    const all = commands.get(section) ?? [];
    const chosen = block === undefined ? all : all.slice(block, block + 1);
    if (chosen.length === 0) throw new Error(`Cannot run section ${section}: it has no such commands`);
    const script = chosen
      .join("\n")
      .replaceAll("/run/cni-outbound", node.stateDir)
      .replaceAll("/var/lib/cni-outbound", node.cacheDir);
    const PATH = `${wrapperFolder()}:${node.env["PATH"]}`;
    const { stdout } = await node.exec(["bash", "-eu", "-o", "pipefail", "-c", script], { env: { PATH } });
    return stdout;
  }

  /** What a container reaches outside and of the host itself, family by family. */
  async function reach(container: Container): Promise<readonly boolean[]> {
    const { v4, v6 } = node.outside;
    const outside = [v4[1], v6[1]].map((address) => ({ address, port: 1001, timeoutMs: 200 }));
    const host = [node.v4, node.v6].map((address) => ({ address, port: 1002, timeoutMs: 200 }));
    return Promise.all([...outside, ...host].map((destination) => container.canReach(destination)));
  }

  const all = [true, true, true, true];
  const nothing = [false, false, false, false];

  test("shows what stands", async () => {
    const withExecutable = await run("1", 0);
    expect(withExecutable).toContain("8f1c0001");
    expect(withExecutable).toMatch(/^Verdict +drop$/m);
    const byHand = await run("1", 1);
    expect(byHand).toContain("-N CNI-OUTBOUND\n");
    expect(byHand).toContain(opened.v4);
    expect(byHand).toContain(opened.v6);
  });

  test("opens one allocation through KV, and only that", async () => {
    await run("2");
    await waitUntil(async () => (await reach(opened)).every(Boolean), { what: "the allocation to be open" });
    expect(await reach(other)).toEqual(nothing);
  });

  test("opens one allocation by hand for as long as the watcher is held, and closes it again", async () => {
    await run("3");
    await run("4");
    expect(await reach(opened)).toEqual(all);
    expect(await reach(other)).toEqual(nothing);
    // Longer than it takes a watcher that runs to repair it.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await reach(opened)).toEqual(all);
    await run("6");
    expect(await reach(opened)).toEqual(nothing);
    expect((await watcher.ready()).status).toBe(200);
  });

  test("opens the whole node, and closes it again", async () => {
    await run("3");
    await run("5");
    expect(await reach(opened)).toEqual(all);
    expect(await reach(other)).toEqual(all);
    await run("6");
    expect(await reach(opened)).toEqual(nothing);
    expect(await reach(other)).toEqual(nothing);
  });

  test("takes outbound off the node with the executable, and leaves nothing", async () => {
    await watcher.stop();
    await run("7", 0);
    expect(await reach(opened)).toEqual(all);
    expect(await takeSnapshot(node)).toEqual(before);
  });

  test("takes outbound off the node without it, and leaves no more than a chain that iptables made", async () => {
    await watcher.stop();
    await run("7", 1);
    expect(await reach(opened)).toEqual(all);
    const { "nft list ruleset": ruleset = "", ...after } = await takeSnapshot(node);
    const input = /\n\tchain INPUT \{\n\t\ttype filter hook input priority filter; policy accept;\n\t\}\n/g;
    expect({ ...after, "nft list ruleset": ruleset.replaceAll(input, "") }).toEqual(before);
  });
});
