import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createAttachmentStore, type AttachmentStore } from "../../../lib/host/attachment-store.ts";
import type { HostInterfaces } from "../../../lib/host/host-interfaces.ts";
import type { Iptables } from "../../../lib/host/iptables.ts";
import { sharedChainName } from "../../../lib/netfilter/names.ts";
import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { createNodeRunner, type NodeRunner, type PassInput, type PassReport } from "../../../watcher/node-runner.ts";
import { createFakeIptables, type FakeIptables } from "../../fakes/fake-iptables.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";

const one = attachmentOf();
const two = attachmentOf({
  containerId: "two",
  addresses: ["10.88.0.3"],
  hostInterface: { name: "veth2", isBridgePort: true },
});
const DENIES = sharedChainName("deny-rules", "global/a");
const denying = (host: string): RuntimeRules =>
  runtimeRulesOf({ "global/a": { rules: [rule({ host, action: "DROP" })] } });

let stateDir: string;
let store: AttachmentStore;
let log: MemoryLog;
let kernel: FakeIptables;
/** Interfaces on the host, and network namespaces that are there. */
let present: Set<string>;
let isReadable: boolean;
/** Transactions that the kernel refuses before it takes one again. */
let refusals: number;
/** Families whose programs are installed. */
let installed: readonly (4 | 6)[];
/** Whether the disk lets records be removed. */
let isWritable: boolean;
let runner: NodeRunner;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "cni-outbound-runner-"));
  log = createMemoryLog();
  store = createAttachmentStore(stateDir, { log });
  store.write(one);
  store.write(two);
  kernel = createFakeIptables();
  present = new Set([one, two].flatMap(({ hostInterface, netns }) => [hostInterface?.name ?? "", netns]));
  isReadable = true;
  refusals = 0;
  installed = [4, 6];
  isWritable = true;
  const interfaces: HostInterfaces = {
    exists: (name) => present.has(name),
    names: () => present,
    mayHavePeer: () => true,
    isBridgePort: () => true,
    hasFamily: () => true,
    netnsState: (path) => (present.has(path) ? "present" : "gone"),
  };
  const iptables: Iptables = {
    ...kernel,
    has: (family) => installed.includes(family),
    restore: (family, text) => (refusals-- > 0 ? Promise.reject(new Error("refused")) : kernel.restore(family, text)),
    save: (family, options) =>
      isReadable ? kernel.save(family, options) : Promise.reject(new Error("must not be read")),
  };
  const remove: AttachmentStore["remove"] = (chain) => {
    if (!isWritable) throw new Error("EROFS: read-only file system");
    store.remove(chain);
  };
  runner = createNodeRunner({ iptables, store: { ...store, remove }, interfaces, log, nowMs: () => 0 });
});
afterEach(() => rmSync(stateDir, { recursive: true }));

function pass(runtimeRules: RuntimeRules, input: Partial<PassInput> = {}): Promise<PassReport> {
  const asked = { isSettled: true, isResync: false, isListing: false, onAttachments: () => {}, persist: () => {} };
  return runner.pass({ runtimeRules, ...asked, ...input });
}

async function targetsOf(chain: string): Promise<readonly (string | undefined)[] | undefined> {
  return parseRuleset(await kernel.save(4))
    .get(chain)
    ?.map(({ text }) => text.split(" ")[1]);
}

async function packetsOf(chain: string): Promise<readonly (number | undefined)[]> {
  const rules = parseRuleset(await kernel.save(4, { withCounters: true })).get(chain) ?? [];
  return rules.map(({ counters }) => counters?.packets);
}

describe("a pass over a node", () => {
  test("puts every attachment's chains into the kernel, and finds nothing to do the second time", async () => {
    expect((await pass(denying("10.1.1.1"), { isResync: true })).changed).toEqual([4, 6]);
    const actual = parseRuleset(await kernel.save(4));
    expect([one, two].every(({ chain }) => (actual.get(chain)?.length ?? 0) > 0)).toBe(true);
    expect((await pass(denying("10.1.1.1"), { isResync: true })).changed).toEqual([]);
  });

  test("pushes a change of rules without reading the kernel", async () => {
    await pass(denying("10.1.1.1"), { isResync: true });
    isReadable = false;
    expect((await pass(denying("10.2.2.2"))).changed).toEqual([4]);
    expect(await targetsOf(DENIES)).toEqual(["10.2.2.2/32"]);
  });

  test("has the rules on disk before they are in the kernel", async () => {
    await pass(denying("10.1.1.1"), { isResync: true });
    let before: Promise<readonly (string | undefined)[] | undefined> | undefined;
    await pass(denying("10.2.2.2"), { persist: () => void (before = targetsOf(DENIES)) });
    expect(await before).toEqual(["10.1.1.1/32"]);
  });

  test("repairs what somebody else changed, and calls that drift", async () => {
    await pass(denying("10.1.1.1"), { isResync: true });
    await pass(denying("10.1.1.1"), { isResync: true });
    await kernel.restore(4, `*filter\n-F ${DENIES}\nCOMMIT\n`);
    const report = await pass(denying("10.1.1.1"), { isResync: true });
    expect(report.drifted).toEqual([4]);
    expect(await targetsOf(DENIES)).toEqual(["10.1.1.1/32"]);
  });

  test("lets the rules that stay in a set, and the default action, go on counting", async () => {
    const kept = rule({ host: "10.1.1.1", action: "DROP" });
    const withOther = (host: string): RuntimeRules =>
      runtimeRulesOf({ "global/a": { rules: [rule({ host, action: "DROP" }), kept] } });
    const narrow = { "namespace/default/job/web/a": { rules: [rule({ host: "10.3.3.3", action: "DROP" })] } };
    await pass(withOther("10.2.2.2"), { isResync: true });
    kernel.send(4);
    await pass(withOther("10.2.2.3"));
    expect(await packetsOf(DENIES)).toEqual([0, 1]);
    const before = await packetsOf(one.chain);
    await pass(runtimeRulesOf({ "global/a": { rules: [kept] }, ...narrow }));
    const during = await packetsOf(one.chain);
    expect(during).toHaveLength(before.length + 1);
    // Only the jump to the job's denies is new; the default action's rule, the last, is not.
    expect(during.filter((packets) => packets === 0)).toHaveLength(1);
    expect(during.at(-1)).toBe(1);
    await pass(runtimeRulesOf({ "global/a": { rules: [kept] } }), { isResync: true });
    expect(await packetsOf(one.chain)).toEqual(before);
    expect(await packetsOf(DENIES)).toEqual([1]);
  });

  test("finds at once that somebody had changed the chain that it edits, and puts that right", async () => {
    const rules = [rule({ host: "10.1.1.1", action: "DROP" })];
    await pass(runtimeRulesOf({ "global/a": { rules } }), { isResync: true });
    await kernel.restore(4, `*filter\n-I ${DENIES} 1 -j RETURN\nCOMMIT\n`);
    const more = [rule({ host: "10.2.2.2", action: "DROP" }), ...rules];
    const report = await pass(runtimeRulesOf({ "global/a": { rules: more } }));
    expect(await targetsOf(DENIES)).toEqual(["10.2.2.2/32", "10.1.1.1/32"]);
    expect(report).toMatchObject({ changed: [4], drifted: [4] });
  });

  test.each([
    ["emptied", () => `-F ${DENIES}`],
    ["taken a rule from", (first: string) => `-D ${DENIES} ${first}`],
    ["put a rule into", () => `-I ${DENIES} 1 -j RETURN`],
  ])("a chain that somebody has %s is as it should be after the next change", async (_, change) => {
    const rules = ["10.1.1.1", "10.2.2.2"].map((host) => rule({ host, action: "DROP" }));
    await pass(runtimeRulesOf({ "global/a": { rules } }), { isResync: true });
    const first = parseRuleset(await kernel.save(4)).get(DENIES)?.[0]?.text;
    await kernel.restore(4, `*filter\n${change(first ?? "")}\nCOMMIT\n`);
    await pass(runtimeRulesOf({ "global/a": { rules: rules.slice(0, 1) } }));
    expect(await targetsOf(DENIES)).toEqual(["10.1.1.1/32"]);
  });

  test("reads the kernel again after a transaction that it refused", async () => {
    await pass(denying("10.1.1.1"), { isResync: true });
    // What is remembered of the main chain no longer holds: a rule of somebody else's leads to our set's chain.
    await kernel.restore(4, `*filter\n-A FORWARD -j ${DENIES}\nCOMMIT\n`);
    await pass(runtimeRulesOf({}));
    expect(await targetsOf(DENIES)).toEqual([]);
    expect(log.lines.map(({ message }) => message)).toContain(
      "Cannot remove chain: rules that are not ours lead to it",
    );
  });
});

describe("an attachment whose DEL never came", () => {
  beforeEach(async () => {
    await pass(denying("10.1.1.1"), { isResync: true });
    present.delete(two.hostInterface?.name ?? "");
  });

  test("stays while its network namespace is there", async () => {
    await pass(denying("10.1.1.1"), { isListing: true });
    expect(await targetsOf(two.chain)).not.toBeUndefined();
  });

  test("goes with chain and record once that has gone too, and only when somebody looks", async () => {
    present.delete(two.netns);
    await pass(denying("10.1.1.1"));
    expect(await targetsOf(two.chain)).not.toBeUndefined();
    const { attachments } = await pass(denying("10.1.1.1"), { isListing: true });
    expect(attachments).toEqual([one]);
    expect(await targetsOf(two.chain)).toBeUndefined();
    expect(store.list().attachments).toEqual([one]);
  });

  test("goes though another container has its interface's name and address by now", async () => {
    const heir = attachmentOf({
      ...two,
      containerId: "heir",
      netns: "/var/run/netns/heir",
      chain: "CNI-OUT-0123456789abcdef0123",
    });
    store.write(heir);
    present.add(two.hostInterface?.name ?? "").add(heir.netns);
    await pass(denying("10.1.1.1"), { isListing: true });
    expect(store.list().attachments).toHaveLength(3);
    present.delete(two.netns);
    await pass(denying("10.1.1.1"), { isListing: true });
    expect(new Set(store.list().attachments)).toEqual(new Set([one, heir]));
    expect(await targetsOf(two.chain)).toBeUndefined();
    expect(await targetsOf(heir.chain)).not.toBeUndefined();
  });

  test("stays before KV has been read", async () => {
    present.delete(two.netns);
    await pass(denying("10.1.1.1"), { isListing: true, isSettled: false });
    expect(await targetsOf(two.chain)).not.toBeUndefined();
    expect(store.list().attachments).toHaveLength(2);
  });
});

test("a container that is attached again under its id keeps its chain, whatever an earlier look has found", async () => {
  await pass(denying("10.1.1.1"), { isResync: true });
  const interfaceName = two.hostInterface?.name ?? "";
  present.delete(interfaceName);
  present.delete(two.netns);
  await pass(denying("10.1.1.1"), { isListing: true });
  expect(await targetsOf(two.chain)).toBeUndefined();

  // The plugin's ADD: record and chains, before the watcher has looked again.
  present.add(interfaceName).add(two.netns);
  store.write(two);
  await kernel.restore(
    4,
    `*filter\n:${two.chain} - [0:0]\n-A ${two.chain} -m comment --comment outbound:1:0123456789abcdef -j DROP\n` +
      `-I CNI-OUTBOUND 1 -m physdev --physdev-in ${interfaceName} -m comment --comment outbound:1:0123456789abcdef -g ${two.chain}\nCOMMIT\n`,
  );
  refusals = 1;
  await pass(denying("10.2.2.2"));
  expect(await targetsOf(two.chain)).not.toBeUndefined();
});

test("a record that is lost takes no chain with it while the container's interface is there", async () => {
  await pass(denying("10.1.1.1"), { isResync: true });
  store.remove(two.chain);
  await pass(denying("10.1.1.1"), { isListing: true });
  expect(await targetsOf(two.chain)).not.toBeUndefined();
});

describe("with the programs of one family gone", () => {
  const six = attachmentOf({ containerId: "six", addresses: ["10.88.0.6", "fd00:88::6"] });

  test("a container that has an address in it is told of, and the other family follows", async () => {
    store.write(six);
    present.add(six.netns);
    await pass(denying("10.1.1.1"), { isResync: true });
    installed = [4];
    const report = await pass(denying("10.2.2.2"));
    expect(report.unfiltered).toEqual({ family: 6, containerId: "six", address: "fd00:88::6" });
    expect(report.changed).toEqual([4]);
    expect(await targetsOf(DENIES)).toEqual(["10.2.2.2/32"]);
  });

  test("and back again, what was missed is made up for", async () => {
    store.write(six);
    present.add(six.netns);
    const denying6 = runtimeRulesOf({ "global/a": { rules: [rule({ host: "2001:db8::1", action: "DROP" })] } });
    await pass(runtimeRulesOf({}), { isResync: true });
    installed = [4];
    await pass(denying6);
    installed = [4, 6];
    const report = await pass(denying6);
    expect(report).not.toHaveProperty("unfiltered");
    expect(parseRuleset(await kernel.save(6)).get(DENIES)).toHaveLength(1);
  });

  test("containers of the other family alone are nothing to tell of", async () => {
    installed = [4];
    store.remove(one.chain);
    expect(await pass(denying("10.1.1.1"), { isResync: true })).not.toHaveProperty("unfiltered");
  });
});

test("a record that a read-only disk keeps does not keep rules from the kernel, and is told of once", async () => {
  const three = attachmentOf({
    containerId: "three",
    netns: "/var/run/netns/three",
    hostInterface: { name: "veth3", isBridgePort: true },
  });
  store.write(three);
  present.add(three.netns);
  await pass(denying("10.1.1.1"), { isResync: true });
  expect(await targetsOf(three.chain)).toBeDefined();
  present.delete(three.netns);
  isWritable = false;
  for (const host of ["10.2.2.2", "10.3.3.3"]) {
    await pass(denying(host), { isListing: true });
    expect(await targetsOf(DENIES)).toEqual([`${host}/32`]);
  }
  expect(await targetsOf(three.chain)).toBeUndefined();
  expect(log.lines.filter(({ level }) => level === "error")).toMatchObject([
    { message: "Cannot remove the record of an attachment that has gone", fields: { chain: three.chain } },
  ]);
  isWritable = true;
  await pass(denying("10.3.3.3"), { isListing: true });
  expect(store.list().attachments).toHaveLength(2);
});
