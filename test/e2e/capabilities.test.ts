import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Container } from "../support/container.ts";
import { variants } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import { acceptTo, type RunningNode, savedRules, startRunningNode, untilVerdict } from "./running-node.ts";

const jobFile = join(import.meta.dirname, "..", "..", "nomad", "outbound-watch.nomad.hcl");

/** What the job file starts the executable with: all words of its command before the executable. */
function readStarter(): readonly string[] {
  const job = readFileSync(jobFile, "utf8");
  const [, command] = /^ +command = var\.confine \? "(.+)" : var\.executable$/m.exec(job) ?? [];
  const [, args = ""] = /^ +confine = \[(.*?)var\.executable,\n +\]$/ms.exec(job) ?? [];
  if (command === undefined || args === "") throw new Error(`Cannot read how ${jobFile} starts the executable`);
  return [command, ...Array.from(args.matchAll(/"([^"]*)"/g), ([, word = ""]) => word)];
}

/** Bits of linux/capability.h. */
const CAP_NET_ADMIN = 1n << 12n;
const CAP_NET_RAW = 1n << 13n;
const CAP_SYSLOG = 1n << 34n;
const allowed = CAP_NET_ADMIN | CAP_NET_RAW | CAP_SYSLOG;

function capabilitiesOf(pid: number): Readonly<Record<string, bigint>> {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const lines = Array.from(
    status.matchAll(/^(Cap\w+):\s*(\w+)$/gm),
    ([, name = "", bits = ""]) => [name, BigInt(`0x${bits}`)] as const,
  );
  return Object.fromEntries(lines);
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

describe.each(variants)("the watcher, started as the Nomad job starts it, on a node with iptables-%s", (backend) => {
  let running: RunningNode;
  let container: Container;
  let watcher: Watcher;

  beforeAll(async () => {
    running = await startRunningNode({ backend });
    const { node, conflist } = running;
    container = await node.attach({ conflist });
    watcher = await startWatcher(node, { through: readStarter(), args: ["--resync", "1"] });
    await watcher.waitForLine("In sync with Consul");
  }, 900_000);

  afterAll(() => running.close());

  test("has the capabilities that it needs and no others, and so have the programs it runs", async () => {
    const only = { CapBnd: allowed, CapEff: allowed, CapPrm: allowed, CapInh: 0n, CapAmb: 0n };
    expect(capabilitiesOf(watcher.pid)).toEqual(only);
    const hasChild = () => backend === "legacy" || childrenOf(watcher.pid).length > 0;
    await waitUntil(hasChild, { what: "nft monitor" });
    const children = childrenOf(watcher.pid);
    expect(children.map(capabilitiesOf)).toEqual(children.map(() => only));
  });

  test("leaves no core, which would hold its token", () => {
    const limits = readFileSync(`/proc/${watcher.pid}/limits`, "utf8");
    expect(limits).toMatch(/^Max core file size +1 +1 +bytes/m);
  });

  test("follows KV, both families", async () => {
    for (const address of [running.outside[4], running.outside[6]]) {
      await running.put("global/open", acceptTo(running, 1001));
      await untilVerdict(container, { address, port: 1001 }, "open");
      await running.remove("global/open");
      await untilVerdict(container, { address, port: 1001 }, "timeout");
      expect(await container.connect({ address, port: 80, timeoutMs: 100 })).toBe("timeout");
    }
  });

  test("follows attachments, and repairs what somebody flushed", async () => {
    const { node, conflist } = running;
    const other = await node.attach({ conflist });
    await waitUntil(async () => (await watcher.metrics())["outbound_attachments"] === 2, { what: "the attachment" });
    const before = await savedRules(node);
    for (const program of ["iptables", "ip6tables"]) await node.exec([program, "-w", "-F", "CNI-OUTBOUND"]);
    await waitUntil(async () => (await savedRules(node)) === before, { what: "the repair", timeoutMs: 10_000 });
    await other.detach();
    await waitUntil(async () => (await watcher.metrics())["outbound_attachments"] === 1, { what: "the detachment" });
    expect((await watcher.metrics())['outbound_drift_repairs_total{family="ipv6"}']).toBeGreaterThan(0);
  });

  test("keeps state and cache, tells its status and has nothing to complain of", async () => {
    expect(await running.consul.get("outbound/status/n1")).toContain('"isInSync":true');
    const complaints = watcher
      .lines()
      .filter(({ level, msg }) => level !== "info" && !msg.startsWith("Somebody changed"));
    expect(complaints).toEqual([]);
    expect(await watcher.stop()).toBe(0);
  });
});
