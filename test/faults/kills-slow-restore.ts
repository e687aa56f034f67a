import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startFlood } from "../support/flood.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import type { World } from "./support/world.ts";

const KEY = "namespace/default/job/web/was-open";
const PORT = 2_001;
const RESTORE_SECONDS = 2;

/**
 * The watcher is killed while a restore that it has started takes its time; before that ends, KV closes what it opens,
 * and another watcher starts. Once that is in sync nothing passes any more.
 */
export async function killDuringSlowRestore(world: World): Promise<void> {
  const { running, container } = world;
  const { node } = running;
  const slow = await slowRestores(node);
  await world.watcher.stop();
  const watcher = await world.startWatcher({ env: { PATH: `${slow.folder}:${node.env["PATH"] ?? ""}` } });
  await watcher.waitForLine("In sync with Consul", { timeoutMs: 10_000 });
  const flood = await startFlood({
    from: container,
    to: node.outside,
    address: running.outside[4],
    port: PORT,
    packetsPerSecond: 1_000,
  });
  try {
    await slow.begin();
    await running.put(KEY, { proto: "udp", port: PORT, action: "ACCEPT" });
    await waitUntil(() => slow.isUnderWay(), { what: "a slow restore" });
    await world.watcher.kill();
    await slow.end();
    await running.remove(KEY);
    const next = await world.startWatcher();
    await next.waitForLine("In sync with Consul", { timeoutMs: 10_000 });
    const inSyncAtMs = monotonicMs() + 50;
    await sleep(RESTORE_SECONDS * 1_000);
    const { receivedSentAfter } = await flood.passed({ sentAfterMs: inSyncAtMs });
    if (receivedSentAfter > 0) throw new Error(`Cannot accept: ${receivedSentAfter} packets passed that must not`);
    // The control: it is the rule that lets it through.
    await running.put(KEY, { proto: "udp", port: PORT, action: "ACCEPT" });
    await waitUntil(async () => (await flood.passed({ sentAfterMs: inSyncAtMs })).receivedSentAfter > 100, {
      what: "the flood to pass",
    });
  } finally {
    await flood.stop();
    await running.remove(KEY);
  }
}

interface SlowRestores {
  /** For PATH. */
  readonly folder: string;
  begin(): Promise<void>;
  isUnderWay(): Promise<boolean>;
  end(): Promise<void>;
}

/** Programs that take 2 s before they do what the node's own do, from `begin` to `end`. */
async function slowRestores(node: ClientNode): Promise<SlowRestores> {
  const folder = join(node.directory, "slow");
  const mark = join(folder, "slowly");
  await mkdir(folder, { recursive: true });
  for (const program of ["iptables-restore", "ip6tables-restore"]) {
    const script = `#!/bin/sh\n[ -e ${mark} ] && sleep ${RESTORE_SECONDS}\nexec ${join(node.directory, "bin", program)} "$@"\n`;
    await writeFile(join(folder, program), script, { mode: 0o755 });
  }
  return {
    folder,
    begin: () => writeFile(mark, ""),
    async isUnderWay() {
      const { stdout } = await node.exec(["sh", "-c", `ip netns pids ${node.namespace} | xargs ps -o args= -p`]);
      return stdout.includes(`sleep ${RESTORE_SECONDS}`);
    },
    end: () => rm(mark),
  };
}
