import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runPlugin } from "../../../lib/cni/run.ts";
import { createAttachmentStore, type AttachmentStore } from "../../../lib/host/attachment-store.ts";
import type { HostInterfaces } from "../../../lib/host/host-interfaces.ts";
import { IptablesError } from "../../../lib/host/iptables-error.ts";
import type { Iptables } from "../../../lib/host/iptables.ts";
import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import type { Family } from "../../../lib/policy/address.ts";
import { createFakeIptables, type FakeIptables } from "../../fakes/fake-iptables.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";

const config = {
  cniVersion: "1.0.0",
  name: "egress",
  type: "outbound",
  prevResult: {
    cniVersion: "1.0.0",
    interfaces: [{ name: "veth1" }, { name: "eth0", sandbox: "/var/run/netns/a" }],
    ips: [{ interface: 1, address: "10.88.0.2/16" }],
  },
};
const interfaces: HostInterfaces = {
  exists: () => true,
  names: () => new Set(["veth1"]),
  mayHavePeer: () => true,
  isBridgePort: () => true,
  hasFamily: () => true,
  netnsState: () => "present",
};

let directory: string;
let kernel: FakeIptables;
let log: MemoryLog;
let store: AttachmentStore;
/** Whether the kernel takes more than removals in a family, and the disk lets records go. */
let isWilling: (family: Family) => boolean;
let isWritable: boolean;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cni-outbound-damaged-"));
  kernel = createFakeIptables();
  log = createMemoryLog();
  store = createAttachmentStore(directory, { log });
  isWilling = () => true;
  isWritable = true;
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Returns the exit code. */
async function run(command: "ADD" | "DEL", more: Readonly<Record<string, unknown>> = {}): Promise<number> {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: "0f3c5d1e-0a1b-2c3d-4e5f-0123456789ab",
    CNI_NETNS: "/var/run/netns/a",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
  };
  const restore: Iptables["restore"] = async (family, text) => {
    if (isWilling(family) || text.includes("-X ")) return kernel.restore(family, text);
    throw new IptablesError("refused", { input: text, stdout: "" });
  };
  const remove: AttachmentStore["remove"] = (chain) => {
    if (!isWritable) throw new Error("EROFS: read-only file system");
    store.remove(chain);
  };
  const ports = {
    iptables: { ...kernel, restore },
    store: { ...store, remove },
    interfaces,
    log,
    withLock: <T>(work: () => Promise<T>) => work(),
    readRuntimeRules: () => undefined,
    nowMs: () => 0,
    uptime: () => 1,
  };
  const input = { env, readStdin: () => JSON.stringify({ ...config, ...more }), version: "0.1.0" };
  return (await runPlugin(input, { isOwnNetns: () => false, open: () => ports })).exitCode;
}

async function chains(): Promise<readonly string[]> {
  return [...parseRuleset(await kernel.save(4)).keys()].filter((name) => /^CNI-OUT-[0-9a-f]{20}$/.test(name));
}

test("DEL succeeds where a read-only disk keeps the record: the rest of the network must be undone", async () => {
  expect(await run("ADD")).toBe(0);
  isWritable = false;
  expect(await run("DEL")).toBe(0);
  expect(await chains()).toEqual([]);
  expect(store.list().attachments).toHaveLength(1);
  const message = "Cannot remove an attachment's record, the watcher will";
  expect(log.lines.at(-1)).toMatchObject({ level: "error", message });
});

test("a repeated ADD that the kernel refuses takes no chain from a container whose record is damaged", async () => {
  expect(await run("ADD")).toBe(0);
  const [chain = ""] = await chains();
  const rules = await kernel.save(4);
  writeFileSync(join(store.folder, `${chain}.json`), "{");
  await kernel.restore(4, `*filter\n-F ${chain}\n-A ${chain} -j DROP\nCOMMIT\n`);
  isWilling = () => false;
  expect(await run("ADD")).toBe(1);
  expect(await chains()).toEqual([chain]);
  isWilling = () => true;
  expect(await run("ADD")).toBe(0);
  expect(await kernel.save(4)).toBe(rules);
});

const WIDER = { runtimeRules: [{ action: "ACCEPT" }], outboundRules: [{ host: "10.0.0.0/8", action: "ACCEPT" }] };

test("a repeated ADD that the kernel refuses in one family changes no rule in the other, and no record", async () => {
  expect(await run("ADD", { outboundRules: [{ host: "192.0.2.1", action: "ACCEPT" }] })).toBe(0);
  const [before4, before6, recorded] = [await kernel.save(4), parseRuleset(await kernel.save(6)), store.list()];
  const [chain = ""] = await chains();
  isWilling = (family) => family === 6;
  expect(await run("ADD", WIDER)).toBe(1);
  expect(await kernel.save(4)).toBe(before4);
  const after6 = parseRuleset(await kernel.save(6));
  expect([...before6].map(([name]) => [name, after6.get(name)])).toEqual([...before6]);
  expect(after6.get(chain)).toEqual(before6.get(chain));
  expect(store.list()).toEqual(recorded);
});

test("a repeated ADD that can neither go on nor back says so, and leaves the record to the watcher as it was", async () => {
  expect(await run("ADD")).toBe(0);
  const recorded = store.list();
  let accepted = 0;
  isWilling = (family) => family === 6 && accepted++ === 0;
  expect(await run("ADD", WIDER)).toBe(1);
  expect(log.lines.at(-1)).toMatchObject({ level: "error", message: "Cannot put back what a failed ADD has changed" });
  expect(store.list()).toEqual(recorded);
});
