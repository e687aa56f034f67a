import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRunningNode } from "../e2e/running-node.ts";
import { ensureConsul } from "../setup/consul.ts";
import { runCommand } from "../support/command.ts";
import { monotonicMs } from "../support/wait.ts";
import { readForm } from "./support/form.ts";
import { type Group, opposite } from "./support/scenario.ts";
import { startWorld, type World } from "./support/world.ts";

export const UNREAD = "Consul cannot be read, the last good rules stay";
export const DOUBTED = "Consul's answer is in doubt and is read again";

/** A query that waits is given up after its wait of at most 55 s, a sixteenth more, and 10 s. */
const LONGEST_QUERY_MS = 70_000;

/** The watcher speaks with Consul itself, over TCP; Consul's data outlives its process. */
export const consulDirect: Group = {
  name: "Consul itself",
  start: async (backend, random) =>
    startWorld(await startRunningNode({ backend, consul: { persistent: true } }), random),
  scenarios: [
    {
      name: "Consul is killed, and started again after 3 s",
      told: "log; `/ready` 503 with ECONNREFUSED; `outbound_in_sync` 0, failures counted; `outbound status` in sync again",
      variants: ["nft", "legacy"],
      async run(world) {
        const { consul } = world.running;
        await consul.kill("SIGKILL");
        await world.says(UNREAD);
        await world.isReady(503, { saying: "ECONNREFUSED" });
        await world.measures("outbound_in_sync", (value) => value === 0);
        await world.measures("outbound_consul_consecutive_failures", (value) => value > 1);
        await world.holds(3_000);
        await consul.start();
        await followsOpposite(world);
        await world.says("Consul is read again");
        await inSyncByStatus(world);
      },
    },
    {
      name: "Consul is stopped (SIGSTOP) and goes on later",
      told: "`/ready` 503 for a new allocation at once (long form: without one too, after 70 s), with the prefix",
      variants: ["nft"],
      startsWith: "open",
      longTimes: 1,
      async run(world) {
        const { consul } = world.running;
        await consul.kill("SIGSTOP");
        if (readForm().isLong) {
          await world.isReady(503, { saying: "no answer within", withinMs: LONGEST_QUERY_MS + 5_000 });
        } else {
          await world.holds(2_000);
        }
        await withNewcomer(world, async () => {
          await world.isReady(503, { saying: "namespace/newcomer/" });
          await world.measures("outbound_in_sync", (value) => value === 0);
          await world.holds(3_000);
          await consul.kill("SIGCONT");
          await followsOpposite(world);
          await world.isReady(200);
        });
      },
    },
    {
      name: "every packet between watcher and Consul is dropped, until the connections are given up",
      told: "log and `/ready` 503 within 35 s; `outbound_in_sync` 0",
      variants: ["legacy"],
      longTimes: 1,
      // TCP of queries that were sent meanwhile tries again at longer and longer intervals.
      withinMs: 15_000,
      async run(world) {
        const { node } = world.running;
        const text = "table inet blackhole { chain c { type filter hook output priority 0; tcp sport 8500 drop; }; }";
        await node.exec(["nft", "-f", "-"], { input: text });
        await world.isReady(503, { withinMs: 35_000 });
        await world.says(UNREAD);
        await world.measures("outbound_in_sync", (value) => value === 0);
        await node.exec(["nft", "delete", "table", "inet", "blackhole"]);
        await followsOpposite(world, 15_000);
      },
    },
    {
      name: "Consul's data is wiped: the index is small again, and the prefix empty",
      told: "log of the doubt; the empty prefix is believed once a second look agrees; `outbound status` in sync again",
      variants: ["nft", "legacy"],
      startsWith: "open",
      // The status key's session is lost with the data; that is looked at every 20 s.
      async run(world) {
        const { consul } = world.running;
        for (let i = 0; i < 30; i++) await wake(world);
        const sinceMs = monotonicMs();
        await consul.start({ wipe: true });
        await world.follows("closed", { sinceMs, withinMs: monotonicMs() - sinceMs + 8_000 });
        await world.says(DOUBTED, { where: ({ prefix }) => prefix === "outbound/rules/namespace/default/" });
        await followsOpposite(world);
        if (readForm().isLong) await inSyncByStatus(world);
      },
    },
    {
      name: "a snapshot of Consul is restored",
      told: "log of the doubt: the query ended without a new index",
      variants: ["nft"],
      async run(world) {
        const { consul } = world.running;
        const directory = await mkdtemp(join(tmpdir(), "cni-outbound-snapshot-"));
        const snapshot = async (what: string) => {
          const argv = [await ensureConsul(), "snapshot", what, `-http-addr=${consul.unixUrl}`, join(directory, "one")];
          await runCommand(argv);
        };
        try {
          const before = world.flows.expected;
          await world.running.put("namespace/default/job/web/stays", "[]");
          await snapshot("save");
          await followsOpposite(world);
          await world.flows.checkpoint();
          const sinceMs = monotonicMs();
          await snapshot("restore");
          await world.follows(before, { sinceMs });
          await world.says(DOUBTED, { where: ({ doubt }) => doubt === "woken at the same index" });
        } finally {
          await rm(directory, { recursive: true });
        }
      },
    },
  ],
};

/** What was not known before the fault is followed after it. */
export async function followsOpposite(world: World, withinMs = 8_000): Promise<void> {
  const state = opposite(world.flows.expected);
  await world.follows(state, { sinceMs: await world.write(state), withinMs });
}

export async function inSyncByStatus(world: World): Promise<void> {
  await world.status(({ nodes }) => nodes.some(({ node, isInSync }) => node === "n1" && isInSync), {
    what: "n1 in sync",
    withinMs: 40_000,
  });
}

/** An allocation of a namespace that this node has not had before: its rules must be read. */
async function withNewcomer(world: World, action: () => Promise<void>): Promise<void> {
  const { node, conflist } = world.running;
  const identity = { region: "global", namespace: "newcomer", job: "web", group: "app" };
  const newcomer = await node.attach({ conflist, identity });
  try {
    await action();
  } finally {
    await newcomer.detach();
  }
}

/** Ends the queries that wait on the container's namespace, with a rule set that allows and denies nothing of the flows. */
export async function wake({ running, random }: World): Promise<void> {
  const host = `203.0.113.${random.below(256)}`;
  await running.put("namespace/default/job/web/wakes", [{ host, action: "DROP", comment: `${random.below(1e9)}` }]);
}
