import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AttachmentList } from "../../lib/inspect/attachment-list.ts";
import type { ClusterStatus } from "../../lib/status/cluster-status.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { runPlugin } from "../support/cni/plugin.ts";
import type { Container } from "../support/container.ts";
import { startFakeNomad, type FakeNomad } from "../support/fake-nomad.ts";
import { parseOwnJson } from "../support/json.ts";
import type { Destination } from "../support/traffic/endpoint.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import { acceptTo, type RunningNode, savedRules, startRunningNode, tell, untilVerdict } from "./running-node.ts";

const LEARNT = "Nomad says whose allocation this is";
const UNREADABLE = "Nomad cannot be asked whose allocations these are";
const web = { namespace: "team-a", job: "web;2", group: "app" };
const SCOPE = "namespace/team-a/job/web=3B2";
const GAUGE = "outbound_attachments_without_identity";

let running: RunningNode;
let nomad: FakeNomad;
/** The first is let through by a job's rule, the second by a static rule; the job denies it. */
let open: Destination;
let allowed: Destination;

beforeEach(async () => {
  running = await startRunningNode({ backend: "nft" });
  nomad = await startFakeNomad();
  const { outside, allowed: places } = running;
  open = { address: outside[4], port: 1000 };
  allowed = places[0] ?? open;
  await running.put(`${SCOPE}/allow`, acceptTo(running, 1000));
  await running.put(`${SCOPE}/group/app/deny`, { host: allowed.address, port: 80, proto: "tcp", action: "DROP" });
});
afterEach(async () => {
  await Promise.all([running.close(), nomad.close()]);
});

/** A container of the job, as Nomad before 1.9.4 attaches it. */
async function attach({ isKnown = true } = {}): Promise<Container> {
  const containerId = randomUUID();
  if (isKnown) nomad.allocations.set(containerId, web);
  return running.node.attach({ conflist: running.conflist, containerId, identity: {} });
}

function watch(env: Readonly<Record<string, string>> = { NOMAD_ADDR: nomad.unixUrl }): Promise<Watcher> {
  return startWatcher(running.node, { env });
}

async function outbound(...words: readonly string[]): Promise<string> {
  const { node } = running;
  const where = words[0] === "status" ? [] : ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir];
  return (await node.exec([outboundPath, ...words, ...where], { allowFailure: words[0] === "status" })).stdout;
}

async function listed(): Promise<AttachmentList["attachments"][number] | undefined> {
  return parseOwnJson<AttachmentList>(await outbound("list", "--json")).attachments[0];
}

async function untilSaid(problem: string): Promise<void> {
  const isSaid = async () => (await listed())?.unidentified?.problem?.includes(problem) === true;
  await waitUntil(isSaid, { what: `list to say "${problem}"`, timeoutMs: 5_000 });
}

async function expectNoJobRules(container: Container): Promise<void> {
  await untilVerdict(container, allowed, "open");
  expect(await container.connect({ ...open, timeoutMs: 200 })).toBe("timeout");
}

async function expectJobRules(container: Container, options = {}): Promise<number> {
  const tookMs = await untilVerdict(container, open, "open", options);
  await untilVerdict(container, allowed, "timeout");
  return tookMs;
}

test("an allocation that CNI_ARGS do not name gets its job's rules within moments of its ADD", async () => {
  const watcher = await watch();
  await watcher.waitForLine("In sync with Consul");
  const container = await attach();
  tell("job rules after ADD", await expectJobRules(container, { sinceMs: monotonicMs() }));
  expect((await watcher.waitForLine(LEARNT))["job"]).toBe("web;2");
  const { identity, unidentified } = (await listed()) ?? {};
  expect(identity).toEqual({ region: "global", ...web });
  expect(unidentified).toBeUndefined();
  expect((await watcher.metrics())[GAUGE]).toBe(0);
  await container.check();
});

test("until Nomad answers it has the static rules, and everybody says that and why", async () => {
  await nomad.stop();
  const watcher = await watch();
  const container = await attach();
  await watcher.waitForLine(UNREADABLE);
  await running.put("global/allow", acceptTo(running, 1001));
  await untilVerdict(container, { ...open, port: 1001 }, "open");
  await expectNoJobRules(container);

  await untilSaid("Cannot read allocation from Nomad");
  const { unidentified } = (await listed()) ?? {};
  expect(await outbound("list")).toContain(`identity not known since ${unidentified?.since}: Cannot read`);
  expect(await outbound("show", container.containerId)).toContain(`identity not known since ${unidentified?.since}`);
  expect((await watcher.metrics())[GAUGE]).toBe(1);
  const saysSo = async () => {
    const [node] = parseOwnJson<ClusterStatus>(await outbound("status", "--json")).nodes;
    return node?.unidentified?.some(({ attachments, problem }) => attachments === 1 && problem?.includes("Nomad"));
  };
  await waitUntil(saysSo, { what: "status to say that an identity is not known", timeoutMs: 5_000 });
  expect(await outbound("status")).toMatch(/1 attachment without identity since 20/);
  const told = watcher.lines().filter(({ msg }) => msg === UNREADABLE);
  expect(told).toHaveLength(1);

  await nomad.start();
  await watcher.waitForLine(LEARNT, { timeoutMs: 10_000 });
  await expectJobRules(container);
  expect(watcher.lines().filter(({ msg }) => msg === "Nomad answers again")).toHaveLength(1);
  await waitUntil(async () => (await listed())?.unidentified === undefined, {
    what: "list to know it",
    timeoutMs: 5_000,
  });
});

test("what was found out outlasts the watcher, Nomad, and a repeated ADD", async () => {
  const first = await watch();
  const container = await attach();
  await expectJobRules(container);
  await first.stop();
  await nomad.stop();
  const before = await savedRules(running.node);
  const second = await watch();
  await second.waitForLine("In sync with Consul");
  expect(await savedRules(running.node)).toBe(before);
  expect(second.lines().filter(({ msg }) => msg === UNREADABLE)).toEqual([]);
  await second.stop();

  const { conflist, node } = running;
  const plugin = conflist.plugins.find(({ type }) => type === "outbound") ?? {};
  const config = { ...plugin, name: conflist.name, cniVersion: conflist.cniVersion, prevResult: container.result };
  const { containerId, netns, args = "" } = container.attaching;
  const again = await runPlugin(node, "outbound", { command: "ADD", config, containerId, netns, args, ifname: "eth0" });
  expect(again.exitCode).toBe(0);
  await expectJobRules(container);
  expect((await listed())?.identity).toEqual({ region: "global", ...web });
  expect(nomad.asked).toHaveLength(1);
});

test("a token that comes later is used, and a refusal does not hold the watcher up", async () => {
  nomad.token = "secret-token-of-the-task";
  const watcher = await watch({ NOMAD_SECRETS_DIR: nomad.secretsDir });
  const container = await attach();
  const { kind } = await watcher.waitForLine(UNREADABLE);
  expect(kind).toBe("forbidden");
  await untilSaid("nomad_token is not readable");
  await running.put("global/allow", acceptTo(running, 1001));
  await untilVerdict(container, { ...open, port: 1001 }, "open");
  await writeFile(join(nomad.secretsDir, "nomad_token"), nomad.token);
  await watcher.waitForLine(LEARNT, { timeoutMs: 40_000 });
  await expectJobRules(container);
  expect(JSON.stringify(watcher.lines())).not.toContain(nomad.token);
});

test("one that Nomad does not know holds up no other, and is asked for again", async () => {
  const watcher = await watch();
  const late = await attach({ isKnown: false });
  await watcher.waitForLine("Nomad shows no such allocation, its identity is not known");
  await untilSaid("there is none that this token may see");
  const known = await attach();
  await expectJobRules(known);
  await expectNoJobRules(late);
  nomad.allocations.set(late.containerId, web);
  await untilVerdict(late, open, "open", { timeoutMs: 30_000 });
  expect((await watcher.metrics())[GAUGE]).toBe(0);
});

test("where CNI_ARGS say all, Nomad is asked nothing", async () => {
  const watcher = await watch();
  const container = await running.node.attach({ conflist: running.conflist, identity: { ...web, job: "web" } });
  await running.put("namespace/team-a/job/web/allow", acceptTo(running, 1000));
  await untilVerdict(container, open, "open");
  expect((await watcher.metrics())[GAUGE]).toBe(0);
  expect(nomad.asked).toEqual([]);
});

test("a name that Nomad leaves out is found out, and what CNI_ARGS say stays where Nomad contradicts it", async () => {
  const watcher = await watch();
  const [known, contradicted] = [randomUUID(), randomUUID()];
  nomad.allocations.set(known, web);
  nomad.allocations.set(contradicted, { ...web, namespace: "team-b" });
  const { conflist, node } = running;
  const container = await node.attach({ conflist, containerId: known, identity: web });
  await expectJobRules(container);
  await node.attach({ conflist, containerId: contradicted, identity: web });
  await watcher.waitForLine("Nomad contradicts CNI_ARGS, which stay");
  const find = async () =>
    parseOwnJson<AttachmentList>(await outbound("list", "--json")).attachments.find(
      ({ allocation }) => allocation === contradicted,
    );
  await waitUntil(async () => (await find())?.unidentified?.problem?.includes("contradict"), {
    what: "list to tell the contradiction",
    timeoutMs: 5_000,
  });
  expect((await find())?.identity).toEqual({ namespace: "team-a", group: "app" });
});

test("without a Nomad that it could ask the watcher says so, once, and so does doctor", async () => {
  const watcher = await watch({});
  await attach();
  await attach();
  await watcher.waitForLine("Identities are not known and no Nomad is configured");
  await untilSaid("NOMAD_ADDR is not set");
  const { node } = running;
  const doctor = await node.exec(
    [outboundPath, "doctor", "--state-dir", node.stateDir, "--cache-dir", node.cacheDir, "--json"],
    { allowFailure: true },
  );
  expect(doctor.stdout).toMatch(/it is not known whose 2 attachments are, since \d+ s: Nomad is not asked/);
  const lines = watcher.lines().filter(({ msg }) => msg.includes("no Nomad is configured"));
  expect(lines).toHaveLength(1);
  expect(await readFile(join(node.stateDir, "unidentified.json"), "utf8")).toContain("NOMAD_ADDR");
});
