import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Check } from "../../lib/doctor/check.ts";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { type Conflist, exampleConflist } from "../support/cni/conflist.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import type { CommandOutcome } from "../support/command.ts";
import { type ConsulAgent, startConsul } from "../support/consul-agent.ts";
import { containing } from "../support/containing.ts";
import type { Container } from "../support/container.ts";
import { parseOwnJson } from "../support/json.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { logFromAllNamespaces } from "../support/namespace-logs.ts";
import { applyRuntimeRules, knowRuntimeRules } from "../support/runtime-rules.ts";
import { savedRules } from "../support/saved-rules.ts";
import { variants, type Variant } from "../support/variant.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher } from "../support/watcher.ts";

const watcherPolicy = [
  'key_prefix "outbound/rules/" { policy = "read" }',
  'key_prefix "outbound/status/" { policy = "write" }',
  'session_prefix "" { policy = "write" }',
  'agent_prefix "" { policy = "read" }',
].join("\n");

const bridgeSetting = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/** What the watcher had of KV. */
const known = { "global/freeze": { host: "198.51.100.9", action: "DROP" } };

/** A node with a container, its conflist where Nomad would look, and rules that its watcher knew. */
interface Installed {
  readonly node: ClientNode;
  readonly conflist: Conflist;
  readonly container: Container;
}

async function install(backend: Variant): Promise<Installed> {
  const node = await createNode({ backend, name: "n1" });
  knowRuntimeRules(node, known);
  const conflist = exampleConflist(node, {
    outbound: { outboundRules: [{ proto: "udp", port: 53, action: "ACCEPT" }] },
  });
  await mkdir(configDir(node));
  await writeConflist(node, conflist);
  return { node, conflist, container: await node.attach({ conflist }) };
}

function configDir(node: ClientNode): string {
  return join(node.directory, "config");
}

async function writeConflist(node: ClientNode, conflist: object): Promise<void> {
  await writeFile(join(configDir(node), "egress.conflist"), JSON.stringify(conflist, null, 2));
}

interface DoctorOptions {
  readonly token?: string;
  readonly words?: readonly string[];
}

function doctor(node: ClientNode, { token = "", words = [] }: DoctorOptions = {}): Promise<CommandOutcome> {
  const where = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir, "--cni-config-dir", configDir(node)];
  const argv = [outboundPath, "doctor", ...where, "--cni-path", dirname(outboundPath), ...words];
  return node.exec(argv, { allowFailure: true, env: { CONSUL_HTTP_TOKEN: token, CONSUL_HTTP_ADDR: undefined } });
}

async function checksOf(node: ClientNode, options: DoctorOptions = {}): Promise<readonly Check[]> {
  const { stdout, stderr } = await doctor(node, { ...options, words: ["--json"] });
  expect(stderr).toBe("");
  return parseOwnJson<{ readonly checks: readonly Check[] }>(stdout).checks;
}

/** What is no longer as it was, check by check: by state, or by being there at all. */
function changed(before: readonly Check[], after: readonly Check[]): readonly Check[] {
  const known = new Set(before.map(keyOf));
  return after.filter((check) => !known.has(keyOf(check)));
}

function keyOf({ name, state }: Check): string {
  return `${name}\n${state}`;
}

beforeAll(() => ensurePackages({ docker: false }), 900_000);

describe.each(variants)("on a node with iptables-%s and no watcher, doctor", (backend) => {
  let node: ClientNode;
  let conflist: Conflist;
  let container: Container;
  let good: readonly Check[];
  const changes = async (): Promise<readonly Check[]> => changed(good, await checksOf(node));
  const reconcile = (): Promise<CommandOutcome> =>
    node.exec([outboundPath, "reconcile", "--state-dir", node.stateDir, "--cache-dir", node.cacheDir]);

  beforeAll(async () => {
    ({ node, conflist, container } = await install(backend));
    good = await checksOf(node);
  });

  afterAll(() => node.close());

  test("finds nothing else wrong, and changes nothing", async () => {
    const before = await savedRules(node);
    const expected = existsSync(bridgeSetting) ? [] : ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"];
    const wrong = (await checksOf(node)).filter(({ state }) => state !== "ok").map(({ name }) => name);
    expect(wrong).toEqual([...expected, "watcher", "in sync", "Consul"]);
    expect(await savedRules(node)).toBe(before);
  });

  test("sees an accept before the main chain, until a pass puts that right", async () => {
    await node.exec(["iptables", "-I", "CNI-FORWARD", "-j", "ACCEPT"]);
    expect(await changes()).toMatchObject([
      {
        name: "main chain",
        state: "problem",
        message: containing("CNI-OUTBOUND is not where it belongs in CNI-FORWARD"),
      },
    ]);
    await reconcile();
    expect(await changes()).toEqual([]);
    await node.exec(["iptables", "-D", "CNI-FORWARD", "-j", "ACCEPT"]);
  });

  test("sees whose chain is empty, and that nothing leads to it", async () => {
    const [chain = ""] = (await savedRules(node)).match(/CNI-OUT-[0-9a-f]{20}/) ?? [];
    await node.exec(["ip6tables", "-F", chain]);
    const short = container.containerId.slice(0, 8);
    expect(await changes()).toMatchObject([
      {
        name: "attachment chains",
        state: "problem",
        message: containing(`${short} (default/web/app): ${chain} is empty in IPv6`),
      },
    ]);
    await node.exec(["iptables", "-F", "CNI-OUTBOUND"]);
    expect(await changes()).toMatchObject([
      { name: "attachment chains", message: containing("is not reached in IPv4, empty in IPv6") },
    ]);
    await reconcile();
    expect(await changes()).toEqual([]);
  });

  test("sees rules of the other variant", async () => {
    const other = backend === "nft" ? "legacy" : "nft";
    await node.exec([`xtables-${other}-multi`, "iptables", "-A", "FORWARD", "-s", "192.0.2.99", "-j", "DROP"]);
    expect(await changes()).toMatchObject([
      { name: "iptables variants", state: "warning", message: containing(`1 rule of iptables-${other} in force`) },
    ]);
    await node.exec([`xtables-${other}-multi`, "iptables", "-F", "FORWARD"]);
    expect(await changes()).toEqual([]);
  });

  test("sees that bridged traffic does not reach iptables", async () => {
    const isLoaded = existsSync(bridgeSetting);
    if (isLoaded) await node.setSysctls(["net.bridge.bridge-nf-call-iptables=0"]);
    const found = isLoaded ? await changes() : good.filter(({ name }) => name === "bridge-nf-call-iptables");
    const why = isLoaded ? "is 0, and egress.conflist uses a bridge" : "br_netfilter is not loaded";
    expect(found).toMatchObject([{ name: "bridge-nf-call-iptables", state: "problem", message: containing(why) }]);
    if (isLoaded) await node.setSysctls(["net.bridge.bridge-nf-call-iptables=1"]);
  });

  test("sees what is wrong with a conflist", async () => {
    onTestFinished(() => writeConflist(node, conflist));
    const [own] = conflist.plugins.slice(-1);
    const others = conflist.plugins.slice(0, -1);
    await writeConflist(node, { ...conflist, plugins: [...others, { ...own, defaultActoin: "ACCEPT" }] });
    expect(await changes()).toMatchObject([
      {
        name: "conflist egress.conflist",
        state: "problem",
        message: containing(/^egress\.conflist:\d+:\d+: .*defaultActoin/),
      },
    ]);
    await writeConflist(node, { ...conflist, plugins: [own, ...others] });
    expect(await changes()).toMatchObject([{ state: "problem", message: containing("firewall comes after outbound") }]);
    await rm(join(configDir(node), "egress.conflist"));
    const [none] = await changes();
    expect(none).toMatchObject({ name: "conflists", state: "problem" });
  });

  test("sees a record that cannot be read, and a cache that was cut off", async () => {
    const file = join(node.cacheDir, "runtime-rules.json");
    onTestFinished(() => rename(`${file}.good`, file));
    await rename(file, `${file}.good`);
    await writeFile(file, '{"format":1,', { mode: 0o600 });
    expect(await changes()).toMatchObject([{ name: "cached rules", state: "problem" }]);

    const [record = ""] = await readdir(join(node.stateDir, "attachments"));
    const recordFile = join(node.stateDir, "attachments", record);
    onTestFinished(() => rename(`${recordFile}.good`, recordFile));
    await rename(recordFile, `${recordFile}.good`);
    await writeFile(recordFile, "{", { mode: 0o600 });
    expect(await changes()).toMatchObject([
      { name: "records", state: "problem", message: containing(record.replace(".json", "")) },
      { name: "cached rules" },
    ]);
    expect(await readFile(recordFile, "utf8")).toBe("{");
  });

  test("sees that the kernel logs nothing of this network namespace, where something is to be logged", async () => {
    onTestFinished(() => applyRuntimeRules(node, known));
    await applyRuntimeRules(node, { ...known, "global/look": { rules: [{ action: "DROP" }], mode: "audit" } });
    onTestFinished(logFromAllNamespaces("0"));
    expect(await changes()).toMatchObject([
      { name: "kernel log", state: "warning", remedy: containing("net.netfilter.nf_log_all_netns=1") },
    ]);
    logFromAllNamespaces();
    expect(await changes()).toEqual([]);
  });

  test("tells an address that is none as wrong usage", async () => {
    expect(await doctor(node, { words: ["--listen", "nowhere"] })).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: containing(/^outbound: Cannot parse listen address: found nowhere[^\n]*\n$/),
    });
  });

  test("needs root for some of it, and says for what", async () => {
    const where = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir, "--cni-path", dirname(outboundPath)];
    const user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    const { stdout } = await node.exec([...user, outboundPath, "doctor", ...where], { allowFailure: true });
    expect(stdout).toContain("\n  ?     whether the main chain is reached first: needs root\n");
    expect(stdout).toMatch(/\n {2}\? {5}records in [^:]*:\s+needs\s+root\n/);
  });
});

describe("on a node with a watcher and Consul's ACLs, doctor", () => {
  let node: ClientNode;
  let consul: ConsulAgent;
  let token: string;
  let good: readonly Check[];
  let stopWatcher: () => Promise<number>;

  beforeAll(async () => {
    ({ node } = await install("nft"));
    consul = await startConsul({ binary: await ensureConsul(), inNamespace: node, acl: true });
    token = await consul.createToken(watcherPolicy);
    await consul.put("outbound/rules/global/freeze", { host: "198.51.100.9", action: "DROP" });
    const watcher = await startWatcher(node, { env: { CONSUL_HTTP_TOKEN: token } });
    stopWatcher = () => watcher.stop();
    await waitUntil(async () => (await watcher.ready().catch(() => undefined))?.status === 200, {
      what: "the watcher to be in sync",
      timeoutMs: 20_000,
    });
    good = await checksOf(node, { token });
  });

  afterAll(async () => {
    await Promise.all([node.close(), consul.close()]);
  });

  test("finds all well, and exits 0, in 80 columns", async () => {
    expect(good.filter(({ state }) => state === "problem").map(({ name }) => name)).toEqual(
      existsSync(bridgeSetting) ? [] : ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"],
    );
    const { exitCode, stdout, stderr } = await doctor(node, { token });
    expect({ exitCode, stderr }).toEqual({ exitCode: existsSync(bridgeSetting) ? 0 : 1, stderr: "" });
    expect(stdout).toContain("\n  ok    it is in sync with Consul, for 1 attachment\n");
    expect(stdout).toContain("\n  ok    4 prefixes of rules can be read: global/, namespace/default/,");
    expect(stdout).toContain("\n  ok    outbound/status/n1 may be written\n");
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("tells a Consul that does not say when it hides keys", () => {
    expect(good).toContainEqual(containingCheck("Consul version", /^Consul is version \d/));
  });

  test("sees a token without rights, and does not blame one that is not there", async () => {
    const weak = await consul.createToken('key_prefix "outbound/rules/global/" { policy = "read" }');
    expect(changed(good, await checksOf(node, { token: weak }))).toMatchObject([
      { name: "rules in KV", state: "problem", message: containing("outbound/rules/namespace/default/") },
      { name: "status in KV", state: "warning", message: containing("outbound/status/n1 may not be written") },
      { name: "Consul version", state: "unknown" },
    ]);
    const without = changed(good, await checksOf(node));
    expect(without.map(({ name, state }) => `${state} ${name}`)).toEqual([
      "unknown rules in KV",
      "unknown status in KV",
      "unknown Consul version",
    ]);
    const unknownToken = await doctor(node, { token: "00000000-0000-0000-0000-000000000000" });
    expect(unknownToken.exitCode).toBe(1);
    expect(unknownToken.stdout).not.toContain("00000000-0000-0000-0000-000000000000");
  });

  test("writes nothing to Consul", async () => {
    const keys = async (): Promise<string> => (await consul.request({ path: "/v1/kv/?keys" })).body;
    const before = await keys();
    await doctor(node, { token: consul.token ?? "" });
    expect(await keys()).toBe(before);
  });

  test("sees that the watcher stopped, and then that Consul did", async () => {
    expect(await stopWatcher()).toBe(0);
    const withoutWatcher = await checksOf(node, { token });
    expect(changed(good, withoutWatcher)).toMatchObject([
      { name: "watcher", state: "problem" },
      { name: "in sync", state: "unknown" },
    ]);
    await consul.stop();
    const startedMs = performance.now();
    const withoutConsul = await checksOf(node, { token });
    expect(performance.now() - startedMs).toBeLessThan(6_000);
    expect(changed(withoutWatcher, withoutConsul)).toMatchObject([
      { name: "Consul", state: "problem", message: containing(/http:\/\/127\.0\.0\.1:8500 .*ECONNREFUSED/) },
    ]);
  });
});

function containingCheck(name: string, message: string | RegExp): unknown {
  return expect.objectContaining({ name, message: containing(message) });
}
