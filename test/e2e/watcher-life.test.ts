import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ClientNode } from "../support/network-namespace.ts";
import type { Destination } from "../support/traffic/endpoint.ts";
import { variants } from "../support/variant.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher, type WatcherOptions } from "../support/watcher.ts";
import {
  acceptTo,
  CONTRACT_MS,
  families,
  type RunningNode,
  type RunningNodeOptions,
  savedRules,
  startRunningNode,
  tell,
  untilVerdict,
} from "./running-node.ts";

const inSync = "In sync with Consul";
/** What "within seconds" of Consul's return is held to. */
const SECONDS_MS = 8_000;
/** DESIGN: what others change is repaired in under this. */
const REPAIR_MS = 10_000;

const deny = { port: 80, proto: "tcp", action: "DROP" } as const;

describe.each(variants)("with iptables-%s", (backend) => {
  /** A node whose watcher is in sync, and a container of the namespace default on it. */
  async function start(options: Omit<RunningNodeOptions, "backend"> & { readonly watcher?: WatcherOptions } = {}) {
    const running = await startRunningNode({ backend, ...options });
    onTestFinished(() => running.close());
    const watcher = await startWatcher(running.node, options.watcher);
    const container = await running.node.attach({ conflist: running.conflist });
    await watcher.waitForLine(inSync);
    return { running, watcher, container, ...placesOf(running) };
  }

  test("with Consul down it starts on what it knew, gives that to new allocations, and catches up later", async () => {
    const { running, watcher, container, open, other, allowed } = await start({ consul: { persistent: true } });
    await running.put("namespace/default/job/web/allow", acceptTo(running, 1000));
    await running.put("namespace/default/job/web/group/app/deny", { ...deny, host: allowed.address });
    await untilVerdict(container, open, "open");
    await untilVerdict(container, allowed, "timeout");
    await watcher.stop();
    await running.consul.stop();
    const before = await savedRules(running.node);
    const second = await startWatcher(running.node);
    await second.waitForLine("Consul cannot be read, the last good rules stay");
    const newcomer = await running.node.attach({ conflist: running.conflist });
    expect(await newcomer.connect({ ...open, timeoutMs: 1_000 })).toBe("open");
    expect(await newcomer.connect({ ...allowed, timeoutMs: 200 })).toBe("timeout");
    expect(await newcomer.connect({ ...other, timeoutMs: 200 })).toBe("timeout");
    const { status, body } = await second.ready();
    expect(status).toBe(503);
    expect(body).toContain("ECONNREFUSED");
    expect(await second.metrics()).toMatchObject({ outbound_in_sync: 0 });
    await newcomer.detach();
    await sleep(1_000);
    expect(await savedRules(running.node)).toBe(before);
    await running.consul.start();
    const backAtMs = await running.put("namespace/default/job/web/more", acceptTo(running, 1001));
    const tookMs = await untilVerdict(container, other, "open", { sinceMs: backAtMs });
    tell(`${backend} caught up after Consul came`, tookMs);
    expect(tookMs).toBeLessThan(SECONDS_MS);
    await waitUntil(async () => (await second.ready()).status === 200, { what: "readiness", timeoutMs: SECONDS_MS });
  });

  test("Consul killed changes nothing, and back again it is followed within seconds", async () => {
    const { running, watcher, container, open, other } = await start({ consul: { persistent: true } });
    await running.put("global/allow", acceptTo(running, 1000));
    await untilVerdict(container, open, "open");
    await waitUntil(async () => (await watcher.ready()).status === 200, { what: "readiness" });
    const flow = await container.openFlow(open);
    await running.consul.kill("SIGKILL");
    await waitUntil(async () => (await watcher.ready()).status === 503, { what: "unreadiness" });
    await sleep(1_000);
    expect(await flow.isAlive()).toBe(true);
    await running.consul.start();
    const backAtMs = await running.put("global/more", acceptTo(running, 1001));
    const tookMs = await untilVerdict(container, other, "open", { sinceMs: backAtMs });
    tell(`${backend} caught up after Consul was killed`, tookMs);
    expect(tookMs).toBeLessThan(SECONDS_MS);
    expect(await flow.isAlive()).toBe(true);
    await waitUntil(async () => (await watcher.ready()).status === 200, { what: "readiness", timeoutMs: SECONDS_MS });
  });

  test("an emptied Consul is believed after a second, consistent look, and followed from there", async () => {
    const { running, watcher, container, open, other, allowed } = await start();
    for (let i = 0; i < 20; i++) await running.put("global/counts-up", acceptTo(running, 1002));
    await running.put("global/allow", acceptTo(running, 1000));
    await running.put("namespace/default/deny", deny);
    await untilVerdict(container, allowed, "timeout");
    await untilVerdict(container, open, "open");
    const skip = watcher.lines().length;
    await running.consul.start({ wipe: true });
    await untilVerdict(container, open, "timeout");
    await untilVerdict(container, allowed, "open");
    const doubted = watcher
      .lines()
      .slice(skip)
      .filter(({ msg }) => msg.includes("in doubt"))
      .map(({ prefix }) => prefix);
    expect(doubted).toEqual(expect.arrayContaining(["outbound/rules/global/", "outbound/rules/namespace/default/"]));
    const putAtMs = await running.put("global/allow", acceptTo(running, 1001));
    expect(await untilVerdict(container, other, "open", { sinceMs: putAtMs })).toBeLessThan(SECONDS_MS);
  });

  test("a token that may read no more takes no rule away, and a new one in its file is followed", async () => {
    const directory = await mkdtemp(join(tmpdir(), "cni-outbound-token-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const running = await startRunningNode({ backend, consul: { acl: true } });
    onTestFinished(() => running.close());
    const file = join(directory, "token");
    const readable = 'key_prefix "outbound/rules/" { policy = "read" }';
    await writeFile(file, await running.consul.createToken(readable));
    const watcher = await startWatcher(running.node, { env: { CONSUL_HTTP_TOKEN_FILE: file } });
    const container = await running.node.attach({ conflist: running.conflist });
    const { open, other } = placesOf(running);
    await running.put("global/allow", acceptTo(running, 1000));
    await untilVerdict(container, open, "open");
    for (const useless of [await running.consul.createToken('key_prefix "other/" { policy = "read" }'), "revoked"]) {
      await writeFile(file, useless);
      // The query under way still has the old token and hears of one change; the next is refused, or wakes to nothing.
      for (const port of [1002, 1003]) {
        await running.put("global/wakes", acceptTo(running, port));
        await sleep(200);
      }
      await waitUntil(async () => (await watcher.ready()).status === 503, { what: "unreadiness" });
      await running.remove("global/allow");
      await sleep(1_500);
      expect(await container.connect({ ...open, timeoutMs: 500 })).toBe("open");
      await running.put("global/allow", acceptTo(running, 1000));
      await writeFile(file, await running.consul.createToken(readable));
      await waitUntil(async () => (await watcher.ready()).status === 200, { what: "readiness", timeoutMs: 30_000 });
    }
    await running.put("global/more", acceptTo(running, 1001));
    await untilVerdict(container, other, "open");
  });

  test("a watcher that is killed leaves the rules, and the next one applies what it missed, nothing sooner", async () => {
    const { running, watcher, container, open, other, allowed } = await start({ consul: { persistent: true } });
    const mail = { ...allowed, address: running.outside[6], port: 1005 };
    await running.put("global/removed", acceptTo(running, 1000));
    await running.put("global/stays", acceptTo(running, 1005));
    await untilVerdict(container, open, "open");
    await untilVerdict(container, mail, "open");
    await watcher.kill();
    const before = await savedRules(running.node);
    await running.remove("global/removed");
    await running.put("global/added", acceptTo(running, 1001));
    await running.put("namespace/default/deny", deny);
    await running.consul.stop();
    expect(await container.connect({ ...open, timeoutMs: 500 })).toBe("open");
    const next = await startWatcher(running.node, { args: ["--resync", "1"] });
    await next.waitForLine("Consul cannot be read, the last good rules stay");
    await sleep(1_500);
    expect(await savedRules(running.node)).toBe(before);
    expect(await next.metrics()).toMatchObject({ outbound_attachments: 1, outbound_in_sync: 0 });
    await running.consul.start();
    await untilVerdict(container, open, "timeout");
    await untilVerdict(container, other, "open");
    await untilVerdict(container, allowed, "timeout");
    expect(await container.connect({ ...mail, timeoutMs: 500 })).toBe("open");
  });

  test("an ADD with no watcher and nothing cached has its static rules, and the others once one starts", async () => {
    const running = await startRunningNode({ backend });
    onTestFinished(() => running.close());
    const { open, other, allowed } = placesOf(running);
    await running.put("namespace/default/allow", acceptTo(running, 1000));
    const container = await running.node.attach({ conflist: running.conflist });
    expect(await container.connect({ ...allowed, timeoutMs: 1_000 })).toBe("open");
    expect(await container.connect({ ...open, timeoutMs: 200 })).toBe("timeout");
    await startWatcher(running.node);
    const tookMs = await untilVerdict(container, open, "open");
    tell(`${backend} from the watcher's start to its rules`, tookMs);
    expect(await container.connect({ ...other, timeoutMs: 200 })).toBe("timeout");
    await container.check();
  });

  test("a container of a namespace and network not known before has their rules within a second", async () => {
    const { running, open, other } = await start();
    await running.put("namespace/team-z/allow", acceptTo(running, 1000));
    await running.put("network/egress-2/allow", acceptTo(running, 1001));
    const container = await running.node.attach({
      conflist: { ...running.conflist, name: "egress-2" },
      identity: { namespace: "team-z", job: "web", group: "app" },
    });
    const addedAtMs = monotonicMs();
    for (const destination of [open, other]) {
      const tookMs = await untilVerdict(container, destination, "open", { sinceMs: addedAtMs });
      tell(`${backend} from ADD to the rules of a new namespace or network`, tookMs);
      expect(tookMs).toBeLessThan(CONTRACT_MS);
    }
    await container.detach();
    await waitUntil(async () => (await recordsOf(running.node)).length === 1, { what: "the record to go" });
    const again = await running.node.attach({
      conflist: running.conflist,
      identity: { namespace: "team-z", job: "web", group: "app" },
    });
    expect(await untilVerdict(again, open, "open")).toBeLessThan(CONTRACT_MS);
    expect(await again.connect({ ...other, timeoutMs: 200 })).toBe("timeout");
  });

  test("a container that went without DEL is found and removed, and its address passes nothing on", async () => {
    const { running, watcher, container, open, other } = await start();
    await running.put("namespace/team-b/allow", acceptTo(running, 1001));
    await running.put("namespace/default/job/web/allow", acceptTo(running, 1000));
    await untilVerdict(container, open, "open");
    await watcher.kill();
    const { v4, v6 } = container;
    await container.close();
    await rm(running.node.ipamDir, { recursive: true });
    const heir = await running.node.attach({
      conflist: running.conflist,
      identity: { namespace: "team-b", job: "web", group: "app" },
    });
    expect([heir.v4, heir.v6]).toEqual([v4, v6]);
    for (const address of [running.outside[4], running.outside[6]]) {
      expect(await heir.connect({ ...open, address, timeoutMs: 200 })).toBe("timeout");
    }
    const next = await startWatcher(running.node);
    await next.waitForLine("Removed an attachment whose network namespace has gone without DEL", {
      timeoutMs: REPAIR_MS,
    });
    await untilVerdict(heir, other, "open");
    for (const address of [running.outside[4], running.outside[6]]) {
      expect(await heir.connect({ ...open, address, timeoutMs: 200 })).toBe("timeout");
      expect(await heir.connect({ ...other, address, timeoutMs: 1_000 })).toBe("open");
    }
    expect(await recordsOf(running.node)).toHaveLength(1);
    const chains = new Set((await savedRules(running.node)).match(/CNI-OUT-[0-9a-f]{20}/g));
    expect([...chains].map((chain) => `${chain}.json`)).toEqual(await recordsOf(running.node));
  });

  test("what others do to the chains is repaired in time, told and counted", async () => {
    const args = backend === "legacy" ? ["--resync", "1"] : [];
    const { running, watcher, container, open, other } = await start({ watcher: { args } });
    const { node } = running;
    await running.put("global/allow", acceptTo(running, 1000));
    await untilVerdict(container, open, "open");
    const chain = (await recordsOf(node))[0]?.replace(".json", "") ?? "";
    const before = await savedRules(node);
    const jump = /^-A CNI-FORWARD (.*-j CNI-OUTBOUND)$/m.exec(before)?.[1] ?? "no jump";
    const inputJump = /^-A INPUT (.*-j CNI-OUTBOUND)$/m.exec(before)?.[1] ?? "no jump";
    const drifts = {
      "empty an attachment's chain": [`-F ${chain}`],
      "delete an attachment's chain": ["-F CNI-OUTBOUND", `-F ${chain}`, `-X ${chain}`],
      "accept in an attachment's chain": [`-I ${chain} 1 -j ACCEPT`],
      "accept at the end of an attachment's chain": [`-I ${chain} 6 -p udp -j ACCEPT`],
      "accept in the main chain": ["-I CNI-OUTBOUND 1 -j ACCEPT"],
      "delete the jump": [`-D CNI-FORWARD ${jump}`],
      "move the jump below the accepts": [`-D CNI-FORWARD ${jump}`, `-A CNI-FORWARD ${jump}`],
      "double the jump": [`-A CNI-FORWARD ${jump}`],
      "delete the jump for traffic to the host": [`-D INPUT ${inputJump}`],
    };
    for (const [what, lines] of Object.entries(drifts)) {
      const skip = watcher.lines().length;
      const counted = await watcher.metrics();
      const text = ["*filter", ...lines, "COMMIT", ""].join("\n");
      const changedAtMs = monotonicMs();
      await Promise.all(
        ["iptables-restore", "ip6tables-restore"].map((restore) =>
          node.exec([restore, "-w", "5", "--noflush"], { input: text }),
        ),
      );
      const isRepaired = async () => (await savedRules(node)) === before;
      await waitUntil(isRepaired, { what: `repair: ${what}`, timeoutMs: REPAIR_MS });
      tell(`${backend} ${what}: repaired`, monotonicMs() - changedAtMs);
      const isCounted = async () => {
        const now = await watcher.metrics();
        return families.every((family) => driftsOf(now, family) > driftsOf(counted, family));
      };
      await waitUntil(isCounted, { what: `a count: ${what}` });
      await watcher.waitForLine("Somebody changed our chains, they are repaired", { skip });
      for (const family of families) {
        const address = running.outside[family];
        expect({ what, verdict: await container.connect({ ...other, address, timeoutMs: 150 }) }).toEqual({
          what,
          verdict: "timeout",
        });
        expect({ what, verdict: await container.connect({ ...open, address, timeoutMs: 500 }) }).toEqual({
          what,
          verdict: "open",
        });
      }
    }
  });

  test("a flush is repaired in under ten seconds with the default interval", async () => {
    const { running, watcher, container, open, other } = await start();
    await running.put("global/allow", acceptTo(running, 1000));
    await untilVerdict(container, open, "open");
    const before = ownChainsOf(await savedRules(running.node));
    const flushedAtMs = monotonicMs();
    for (const iptables of ["iptables", "ip6tables"]) await running.node.exec([iptables, "-w", "-F"]);
    for (const family of families) {
      const address = running.outside[family];
      const within = { timeoutMs: REPAIR_MS, sinceMs: flushedAtMs };
      const tookMs = await untilVerdict(container, { ...other, address }, "timeout", within);
      tell(`${backend} IPv${family} flushed: forbidden again`, tookMs);
      expect(tookMs).toBeLessThan(REPAIR_MS);
      expect(await container.connect({ ...open, address, timeoutMs: 500 })).toBe("open");
    }
    expect(ownChainsOf(await savedRules(running.node))).toBe(before);
    await watcher.waitForLine("Somebody changed our chains, they are repaired");
    const counted = await watcher.metrics();
    for (const family of families) expect(driftsOf(counted, family)).toBeGreaterThan(0);
  });

  test("with the state folder wiped nothing becomes more permissive", async () => {
    const { running, watcher, container, open, other, allowed } = await start({ watcher: { args: ["--resync", "1"] } });
    await running.put("namespace/default/job/web/deny", deny);
    await running.put("namespace/default/job/web/allow", acceptTo(running, 1000));
    await untilVerdict(container, open, "open");
    await untilVerdict(container, allowed, "timeout");
    const stillHolds = async (what: string) => {
      for (const family of families) {
        const address = running.outside[family];
        expect({ what, verdict: await container.connect({ ...other, address, timeoutMs: 200 }) }).toEqual({
          what,
          verdict: "timeout",
        });
      }
      expect({ what, verdict: await container.connect({ ...allowed, timeoutMs: 200 }) }).toEqual({
        what,
        verdict: "timeout",
      });
    };
    await rm(running.node.stateDir, { recursive: true });
    await sleep(1_500);
    await stillHolds("while the watcher runs");
    await watcher.stop();
    const next = await startWatcher(running.node, { args: ["--resync", "1"] });
    await next.waitForLine(inSync);
    await sleep(1_500);
    await stillHolds("after the watcher started again");
    const newcomer = await running.node.attach({ conflist: running.conflist });
    const tookMs = await untilVerdict(newcomer, open, "open", { timeoutMs: REPAIR_MS });
    tell(`${backend} from ADD into a new state folder to its rules`, tookMs);
    await newcomer.detach();
    await sleep(1_500);
    await stillHolds("after another container came and went");
  });

  test("a rule set that lets through expires on time, though Consul was down when the watcher started", async () => {
    const { running, watcher, container, open, other } = await start();
    const expiresAtMs = Date.now() + 4_000;
    const expiresAt = new Date(expiresAtMs).toISOString();
    await running.put("global/expires", { rules: acceptTo(running, 1000), expiresAt });
    await running.put("namespace/default/job/web/expires", { rules: acceptTo(running, 1000), expiresAt });
    await running.put("namespace/default/job/web/stays", acceptTo(running, 1001));
    await untilVerdict(container, open, "open");
    await untilVerdict(container, other, "open");
    await watcher.kill();
    await running.consul.stop();
    const next = await startWatcher(running.node);
    await next.waitForLine("Consul cannot be read, the last good rules stay");
    const flow = await container.openFlow(open);
    const cut = await flow.lastReplyBeforeCut({ timeoutMs: 8_000 });
    const lateMs = (cut?.sentAtMs ?? 0) - monotonicMs() + Date.now() - expiresAtMs;
    tell(`${backend} cut after it expired, out of sync`, lateMs);
    expect(Math.abs(lateMs)).toBeLessThan(CONTRACT_MS + 100);
    expect(await container.connect({ ...open, timeoutMs: 200 })).toBe("timeout");
    expect(await container.connect({ ...other, timeoutMs: 500 })).toBe("open");
    await flow.close();
  });

  test("a state file that cannot be read is set aside, its chain stays, and the others go on", async () => {
    const { running, watcher, container, open, other } = await start();
    await running.put("global/allow", acceptTo(running, 1000));
    await untilVerdict(container, open, "open");
    const folder = join(running.node.stateDir, "attachments");
    const [record = ""] = await readdir(folder);
    const skip = watcher.lines().length;
    const whole = await readFile(join(folder, record), "utf8");
    await writeFile(join(folder, record), whole.slice(0, whole.length / 2));
    await watcher.waitForLine("Cannot read attachment: its chain stays as it is until DEL", { skip });
    const neighbour = await running.node.attach({ conflist: running.conflist });
    await running.put("namespace/default/more", acceptTo(running, 1001));
    await untilVerdict(neighbour, other, "open");
    expect(await readdir(folder)).toContain(record.replace(".json", ".unreadable"));
    expect(await container.connect({ ...open, timeoutMs: 500 })).toBe("open");
    expect(await container.connect({ ...open, port: 1002, timeoutMs: 200 })).toBe("timeout");
    await container.detach();
    await waitUntil(async () => !(await savedRules(running.node)).includes(record.replace(".json", "")), {
      what: "the chain to go with DEL",
    });
    expect(await readdir(folder)).toHaveLength(1);
  });

  test("of two watchers the second waits, says so, and takes over when the first ends", async () => {
    const { running, watcher, container, open } = await start();
    const second = await startWatcher(running.node, { args: ["--listen", ""] });
    await second.waitForLine("Another watcher runs on this node, waiting for it to end");
    expect(second.lines()).toHaveLength(1);
    const third = await startWatcher(running.node, { args: ["--listen", ""] });
    await third.waitForLine("Another watcher runs on this node, waiting for it to end");
    expect(await endsWithin(third, "SIGTERM", 1_000)).toBe(0);
    const wrong = await startWatcher(running.node, { env: { CONSUL_HTTP_ADDR: "http://admin:pass@127.0.0.1" } });
    await waitUntil(() => wrong.exitCode() !== undefined, { what: "wrong settings to be told before the wait" });
    expect(wrong.exitCode()).toBe(1);
    await watcher.kill();
    await second.waitForLine(inSync);
    const putAtMs = await running.put("global/allow", acceptTo(running, 1000));
    expect(await untilVerdict(container, open, "open", { sinceMs: putAtMs })).toBeLessThan(CONTRACT_MS);
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s ends it at once with exit code 0, and the rules stay",
    async (signal) => {
      const { running, watcher, container, open } = await start();
      await running.put("global/allow", acceptTo(running, 1000));
      await untilVerdict(container, open, "open");
      const before = await savedRules(running.node);
      expect(await endsWithin(watcher, signal, 1_000)).toBe(0);
      expect(watcher.lines().at(-1)).toMatchObject({ msg: "Watcher stopped, the rules stay" });
      expect(watcher.lines().filter(({ level }) => level === "error")).toEqual([]);
      await running.consul.stop();
      const next = await startWatcher(running.node);
      await next.waitForLine("Consul cannot be read, the last good rules stay");
      expect(await endsWithin(next, signal, 1_000)).toBe(0);
      expect(await savedRules(running.node)).toBe(before);
    },
  );

  test("a change under another namespace wakes no query of this node", async () => {
    const running = await startRunningNode({ backend });
    onTestFinished(() => running.close());
    const proxy = await startCountingProxy(running.consul.unixUrl.replace("unix://", ""));
    onTestFinished(() => proxy.close());
    const { open, other } = placesOf(running);
    for (const scope of ["global", "node/n1", "network/egress", "namespace/default"]) {
      await running.put(`${scope}/allow`, acceptTo(running, 1000));
    }
    await startWatcher(running.node, { env: { CONSUL_HTTP_ADDR: `unix://${proxy.path}` } });
    const container = await running.node.attach({ conflist: running.conflist });
    await untilVerdict(container, open, "open");
    await sleep(500);
    const before = proxy.requests();
    expect(before).toBeGreaterThanOrEqual(4);
    for (let i = 0; i < 50; i++) await running.put(`namespace/team-b/job/web/set-${i}`, acceptTo(running, 1002));
    await running.put("node/n2/allow", acceptTo(running, 1002));
    await sleep(500);
    expect(proxy.requests()).toBe(before);
    await running.put("namespace/default/more", acceptTo(running, 1001));
    await untilVerdict(container, other, "open");
    expect(proxy.requests()).toBe(before + 1);
  });

  test("a cache older than the kernel's rules lets through nothing that had been closed", async () => {
    const { running, watcher, container, open } = await start();
    const cache = join(running.node.cacheDir, "runtime-rules.json");
    await running.put("global/allow", acceptTo(running, 1000));
    await running.put("namespace/default/job/web/allow", acceptTo(running, 1000));
    await untilVerdict(container, open, "open");
    const old = await readFile(cache, "utf8");
    await running.remove("global/allow");
    await running.remove("namespace/default/job/web/allow");
    await untilVerdict(container, open, "timeout");
    await watcher.stop();
    await running.consul.stop();
    await writeFile(cache, old);
    const next = await startWatcher(running.node, { args: ["--resync", "1"] });
    await next.waitForLine("Consul cannot be read, the last good rules stay");
    await sleep(1_500);
    expect(await container.connect({ ...open, timeoutMs: 300 })).toBe("timeout");
  });
});

test("a first pass that fails takes no rule away before KV has been read", async () => {
  const running = await startRunningNode({ backend: "nft" });
  onTestFinished(() => running.close());
  const { allowed } = placesOf(running);
  const watcher = await startWatcher(running.node);
  const container = await running.node.attach({ conflist: running.conflist });
  await running.put("namespace/default/job/web/deny", deny);
  await untilVerdict(container, allowed, "timeout");
  await watcher.kill();
  await rm(running.node.cacheDir, { recursive: true });
  const proxy = await startCountingProxy(running.consul.unixUrl.replace("unix://", ""));
  onTestFinished(() => proxy.close());
  proxy.refuse("namespace/");
  // The node's lock, held for longer than a pass waits for it.
  const hold = 'require("net").createServer().listen("\\0cni-outbound", () => console.log("held"))';
  const holder = await running.node.start([process.execPath, "-e", hold]);
  await waitUntil(() => holder.stdout().includes("held"), { what: "the lock" });
  const next = await startWatcher(running.node, { env: { CONSUL_HTTP_ADDR: `unix://${proxy.path}` } });
  await next.waitForLine("Cannot bring this node's chains up to date, trying again", { timeoutMs: 20_000 });
  await holder.kill("SIGKILL");
  const hasPassed = async () => (await next.metrics())["outbound_attachments"] === 1;
  await waitUntil(hasPassed, { what: "a pass", timeoutMs: 10_000 });
  expect(await container.connect({ ...allowed, timeoutMs: 300 })).toBe("timeout");
});

test("what is changed before nft monitor listens is found all the same", async () => {
  const running = await startRunningNode({ backend: "nft" });
  onTestFinished(() => running.close());
  const { open } = placesOf(running);
  const folder = join(running.node.directory, "slow");
  await mkdir(folder);
  await writeFile(join(folder, "nft"), '#!/bin/sh\nsleep 1.5\nexec /usr/sbin/nft "$@"\n', { mode: 0o755 });
  const container = await running.node.attach({ conflist: running.conflist });
  const watcher = await startWatcher(running.node, { env: { PATH: `${folder}:${running.node.env["PATH"]}` } });
  await watcher.waitForLine("In sync with Consul");
  await sleep(500);
  await running.node.exec(["iptables", "-w", "-F"]);
  expect(await container.connect({ ...open, timeoutMs: 500 })).toBe("open");
  await untilVerdict(container, open, "timeout", { timeoutMs: REPAIR_MS });
});

/** Destinations by how they stand when no rule set is in KV: the two outside ones are denied by default. */
function placesOf({ outside, allowed }: RunningNode) {
  const [first] = allowed;
  if (!first) throw new Error("Cannot find a destination that static rules allow");
  const open: Destination = { address: outside[4], port: 1000 };
  const other: Destination = { address: outside[4], port: 1001 };
  return { allowed: first, open, other };
}

async function recordsOf(node: ClientNode): Promise<readonly string[]> {
  return readdir(join(node.stateDir, "attachments"));
}

async function endsWithin(watcher: Watcher, signal: "SIGTERM" | "SIGINT", ms: number): Promise<number> {
  const startedAtMs = monotonicMs();
  const code = await watcher.stop(signal);
  expect(monotonicMs() - startedAtMs).toBeLessThan(ms);
  return code;
}

/** The rules of our own chains, without the jumps to them: those depend on what others left standing. */
function ownChainsOf(saved: string): string {
  return saved
    .split("\n")
    .filter((line) => line.startsWith("-A CNI-OUT"))
    .join("\n");
}

function driftsOf(metrics: Readonly<Record<string, number>>, family: 4 | 6): number {
  return metrics[`outbound_drift_repairs_total{family="ipv${family}"}`] ?? 0;
}

interface CountingProxy {
  /** Its unix socket. */
  readonly path: string;
  requests(): number;
  /** From now on answers requests for keys below this, relative to `outbound/rules/`, with 500. */
  refuse(prefix: string): void;
  close(): Promise<void>;
}

/** Stands between a watcher and Consul and counts requests. The watcher sends one at a time on each connection. */
async function startCountingProxy(consulSocket: string): Promise<CountingProxy> {
  const directory = await mkdtemp(join(tmpdir(), "cni-outbound-proxy-"));
  const path = join(directory, "http.sock");
  let requests = 0;
  const refused: string[] = [];
  const server = createServer((client) => {
    const upstream = createConnection(consulSocket);
    client.on("data", (data) => {
      const requested = /^GET (\S+)/.exec(data.toString("latin1"))?.[1];
      if (requested !== undefined) requests++;
      const isRefused =
        requested !== undefined && refused.some((prefix) => decodeURIComponent(requested).includes(prefix));
      if (isRefused) client.write("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
      else upstream.write(data);
    });
    upstream.on("data", (data) => client.write(data));
    for (const [one, peer] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on("error", () => peer.destroy()).on("close", () => peer.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    requests: () => requests,
    refuse: (prefix) => refused.push(`outbound/rules/${prefix}`),
    async close() {
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
