import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { conflistOf, untilVerdict } from "../e2e/running-node.ts";
import { createContainer } from "../support/container.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import type { Watcher } from "../support/watcher.ts";
import { followsOpposite } from "./consul-direct.ts";
import { allChecked, expectRefusal, type NodeWorld, type Prepared, startNodeWorld } from "./node-world.ts";
import { GOVERNED_PORT } from "./support/flows.ts";
import { readForm } from "./support/form.ts";
import { type Group, opposite } from "./support/scenario.ts";

const SLOW_MS = 10_000;
/** A restore of each family in turn, and as much again where the chains are not as ADD expects. */
const SLOW_ADD_MS = 45_000;
const HELD_MS = 3_000;
const UNFILTERED = "A running container's rules cannot be kept up to date";

/** The iptables programs are slow, busy or gone. Wrappers stand in their place on the node's PATH. */
export const nodePrograms: Group<NodeWorld> = {
  name: "The node's iptables programs",
  start: (backend, random) => startNodeWorld(backend, random, wrapPrograms),
  scenarios: [
    {
      name: "the xtables lock is held for 3 s",
      told: "a change of KV and an ADD meanwhile wait for it and succeed; CHECK meanwhile and then is good; no pass fails",
      // iptables-nft has no such lock, and waits for nothing.
      variants: ["legacy"],
      async run(world) {
        const { node, conflist } = world.running;
        const failures = await counted(world.watcher, FAILURES);
        const lockFile = join(node.directory, LOCK_FILE);
        const held = await node.start(["flock", lockFile, "sleep", String(HELD_MS / 1000)]);
        const heldAtMs = monotonicMs();
        if (node.backend === "legacy") await waitUntil(() => isBusy(node), { what: "the lock to be held" });
        const state = opposite(world.flows.expected);
        const following = world.write(state).then((sinceMs) => world.follows(state, { sinceMs }));
        const newcomer = await node.attach({ conflist });
        world.note("ADD", monotonicMs() - heldAtMs);
        await allChecked(world, [newcomer]);
        await following;
        await waitUntil(() => held.exitCode() !== undefined, { what: "the lock to be let go" });
        await newcomer.detach();
        await allChecked(world);
        const failed = (await counted(world.watcher, FAILURES)) - failures;
        if (failed > 0) throw new Error(`No pass must fail: ${failed} did`);
      },
    },
    {
      name: "every restore takes 10 s (short form: of IPv6)",
      told: "KV is followed, and an ADD succeeds, once its restores are through; CHECK is good; then KV is followed as ever",
      variants: ["nft"],
      longTimes: 1,
      async run(world) {
        const { node, conflist } = world.running;
        const slow = readForm().isLong ? ["iptables", "ip6tables"] : ["ip6tables"];
        for (const base of slow) await writeFile(delayFile(node, base), String(SLOW_MS / 1000));
        const state = opposite(world.flows.expected);
        await world.follows(state, { sinceMs: await world.write(state), withinMs: 2 * SLOW_MS + 8_000 });
        const startedAtMs = monotonicMs();
        const newcomer = await node.attach({ conflist });
        world.note("ADD", monotonicMs() - startedAtMs);
        if (monotonicMs() - startedAtMs > SLOW_ADD_MS) throw new Error(`An ADD must end in ${SLOW_ADD_MS} ms`);
        for (const base of slow) await rm(delayFile(node, base));
        await allChecked(world, [newcomer]);
        const verdict = state === "open" ? "open" : "timeout";
        const { outside } = world.running;
        await untilVerdict(newcomer, { address: outside[6], port: GOVERNED_PORT }, verdict, { timeoutMs: 8_000 });
        await newcomer.detach();
        await world.isReady(200, { withinMs: 2 * SLOW_MS });
        await followsOpposite(world);
        await allChecked(world);
      },
    },
    {
      name: "ip6tables is gone",
      told: "ADD of a container with IPv6 refused with code 50, its DEL succeeds; the watcher that runs, and one that starts, say so in log and `/ready` 503, and IPv4 follows KV; back again all is well",
      variants: ["legacy"],
      async run(world) {
        const { node, conflist, outside } = world.running;
        await hide6(node, world.watcher.pid);
        await world.running.put(WAKES, []);
        await toldUnfiltered(world);
        await refusedWithout6(world);
        await show6(node, world.watcher.pid);
        await followsOpposite(world);
        await world.isReady(200);

        await hide6(node, world.watcher.pid);
        await world.watcher.kill();
        await world.startWatcher({ through: withoutSystem6(node) });
        await toldUnfiltered(world);
        await world.says("In sync with Consul", { timeoutMs: 10_000 });
        const place = { address: outside[4], port: 1005 };
        await world.running.put(WAKES, [{ host: place.address, proto: "tcp", port: place.port, action: "ACCEPT" }]);
        await untilVerdict(world.container, place, "open", { timeoutMs: 8_000 });
        await world.running.remove(WAKES);
        await untilVerdict(world.container, place, "timeout", { timeoutMs: 8_000 });
        await show6(node, world.watcher.pid);
        await followsOpposite(world);
        await world.isReady(200);
        const newcomer = await node.attach({ conflist });
        await allChecked(world, [newcomer]);
        await newcomer.detach();
      },
    },
    {
      name: "two watchers: the second waits, and takes over when the first is killed",
      told: "log of the one that waits; no drift is seen, KV is followed before and after",
      variants: ["nft"],
      async run(world) {
        const first = world.watcher;
        const before = await counted(first, DRIFTS);
        const second = await world.startWatcher();
        await world.says("Another watcher runs on this node, waiting for it to end");
        await followsOpposite(world);
        const after = await counted(first, DRIFTS);
        if (after !== before) throw new Error(`Nobody must fight: ${after - before} repairs`);
        if (second.lines().length !== 1) throw new Error("The one that waits must do nothing else");
        await first.kill();
        await world.says("In sync with Consul", { timeoutMs: 10_000 });
        await world.isReady(200);
        await followsOpposite(world);
        await allChecked(world);
      },
    },
  ],
};

const DRIFTS = 'outbound_drift_repairs_total{family="ipv4"}';
const FAILURES = "outbound_pass_failures_total";
const WAKES = "namespace/default/job/web/wakes";
const LOCK_FILE = "xtables.lock";

/** Seconds by which each restore of a family is late, where it is there. */
function delayFile({ directory }: Pick<ClientNode, "directory">, base: string): string {
  return join(directory, `${base}-delay`);
}

/**
 * In the place of the links to iptables. All of a node's programs share a lock file of their own (XTABLES_LOCKFILE,
 * iptables(8)): the machine's, which is one for all network namespaces, would hold up everybody.
 */
async function wrapPrograms({ directory, backend }: ClientNode): Promise<Prepared> {
  const multi = `/usr/sbin/xtables-${backend}-multi`;
  const real = join(directory, "real");
  await mkdir(real);
  for (const base of ["iptables", "ip6tables"]) {
    for (const name of [base, `${base}-restore`, `${base}-save`]) {
      await symlink(multi, join(real, name));
      const file = delayFile({ directory }, base);
      const delay = `[ ! -e ${file} ] || sleep "$(cat ${file})"`;
      const lines = [
        "#!/bin/sh",
        `export XTABLES_LOCKFILE=${join(directory, LOCK_FILE)}`,
        ...(name.endsWith("-restore") ? [delay] : []),
        `exec ${join(real, name)} "$@"`,
        "",
      ];
      await rm(join(directory, "bin", name));
      await writeFile(join(directory, "bin", name), lines.join("\n"), { mode: 0o755 });
    }
  }
  return {};
}

/** Whether iptables waits for the lock; `timeout` ends it with 124. */
async function isBusy(node: ClientNode): Promise<boolean> {
  const { exitCode } = await node.exec(["timeout", "0.2", "iptables", "-L", "-n"], { allowFailure: true });
  return exitCode === 124;
}

async function counted(watcher: Watcher, metric: string): Promise<number> {
  return (await watcher.metrics())[metric] ?? 0;
}

/** In a mount namespace of its own: programs of the system's folder but those of ip6tables. */
function hiding(node: ClientNode): string {
  const all = join(node.directory, "system");
  return [
    `mkdir -p ${all}`,
    `mount --bind /usr/sbin ${all}`,
    "mount -t tmpfs -o mode=0755 cni-outbound-programs /usr/sbin",
    `for each in ${all}/*; do case $each in */ip6tables*) ;; *) ln -s "$each" /usr/sbin/ ;; esac; done`,
  ].join("\n");
}

function withoutSystem6(node: ClientNode): readonly string[] {
  return ["unshare", "-m", "--propagation", "private", "sh", "-ec", `${hiding(node)}\nexec "$0" "$@"`];
}

/** Takes ip6tables from the node's PATH, and out of the system's folder for one process that runs. */
async function hide6(node: ClientNode, pid: number): Promise<void> {
  await node.exec(["nsenter", "-t", String(pid), "-m", "sh", "-ec", hiding(node)]);
  for (const name of programs6)
    await rename(join(node.directory, "bin", name), join(node.directory, "real", `${name}.gone`));
}

async function show6(node: ClientNode, pid: number): Promise<void> {
  for (const name of programs6)
    await rename(join(node.directory, "real", `${name}.gone`), join(node.directory, "bin", name));
  await node.exec(["nsenter", "-t", String(pid), "-m", "umount", "/usr/sbin"]);
}

const programs6 = ["ip6tables", "ip6tables-restore", "ip6tables-save"];

async function toldUnfiltered(world: NodeWorld): Promise<void> {
  await world.says(UNFILTERED, { timeoutMs: 10_000 });
  await world.isReady(503, { saying: "ip6tables-restore is not installed" });
}

/** A chain without the firewall plugin, which could not do without ip6tables either, and would fail first. */
async function refusedWithout6({ running: { node } }: NodeWorld): Promise<void> {
  const exec: ClientNode["exec"] = (argv, options) => node.exec([...withoutSystem6(node), ...argv], options);
  const container = await createContainer({ ...node, exec }, { conflist: conflistOf(node, { firewall: false }) });
  try {
    await expectRefusal(container.add(), 50, "Cannot filter IPv6: ip6tables-restore is not installed");
  } finally {
    await container.detach();
  }
}
