import { setTimeout as sleep } from "node:timers/promises";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type OutboundOutcome, runOutbound } from "../support/cni/outbound.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { followsOpposite } from "./consul-direct.ts";
import { allChecked, type NodeWorld, ownRules, startNodeWorld } from "./node-world.ts";
import { readForm } from "./support/form.ts";
import type { Group } from "./support/scenario.ts";

/** How many come and go, and in what time. */
const LONG = { count: 500, withinMs: 60_000 };
const SHORT = { count: 60, withinMs: 20_000 };
const MOST_AT_ONCE = 16;
const LONGEST_STAY_MS = 1_500;

/** Of the containers that come and go only our plugin is told: the others take a multiple of its time. */
export const nodeChurn: Group<NodeWorld> = {
  name: "The node's attachments",
  start: (backend, random) => startNodeWorld(backend, random),
  scenarios: [
    {
      name: "500 attachments come and go in a minute (short form: 60 in 20 s)",
      told: "every ADD, CHECK and DEL succeeds, KV is followed meanwhile, and nothing is left of them in kernel or state",
      variants: ["nft"],
      longTimes: 1,
      async run(world) {
        const { node } = world.running;
        const before = world.flows.expected;
        const [rules, records] = [await ownRules(node), await recordsOf(world)];
        const { count, withinMs } = readForm().isLong ? LONG : SHORT;
        const startedAtMs = monotonicMs();
        let next = 0;
        const comeAndGo = async () => {
          for (let number = next++; number < count; number = next++) {
            await sleep(Math.max(0, startedAtMs + (number / count) * withinMs - monotonicMs()));
            await visit(world, number);
          }
        };
        const over = new AbortController();
        const change = async () => {
          while (!over.signal.aborted) {
            await followsOpposite(world);
            await sleep(1_000);
          }
        };
        const coming = Promise.all(Array.from({ length: MOST_AT_ONCE }, comeAndGo)).finally(() => over.abort());
        await Promise.all([coming, change()]);
        world.note(`${count} came and went`, monotonicMs() - startedAtMs);
        if (world.flows.expected !== before) await followsOpposite(world);
        await nothingLeft(world, { rules, records });
        await allChecked(world);
      },
    },
  ],
};

async function visit(world: NodeWorld, number: number): Promise<void> {
  const { running, container, random } = world;
  const { node, conflist } = running;
  const containerId = `visitor-${number}`;
  const hostInterface = `visitor${number}`;
  // Each address is used again and again, by containers of other namespaces.
  const host = 10 + (number % (4 * MOST_AT_ONCE));
  const prevResult = {
    cniVersion: conflist.cniVersion,
    interfaces: [
      { name: hostInterface, mac: "02:00:00:00:00:01" },
      { name: "eth0", mac: "02:00:00:00:00:02", sandbox: container.path },
    ],
    ips: [
      { interface: 1, address: `10.77.0.${host}/16` },
      { interface: 1, address: `fd00:77::${host.toString(16)}/64` },
    ],
  };
  const namespace = random.pick(["default", "team-a", "team-b"]);
  const args = `IgnoreUnknown=true;NOMAD_NAMESPACE=${namespace};NOMAD_JOB_ID=web;NOMAD_GROUP_NAME=app`;
  const attempt = async (command: "ADD" | "CHECK" | "DEL") => {
    // A network namespace that exists, or the watcher takes it for one that has gone.
    const run = { conflist, containerId, netns: container.path, prevResult };
    expectSuccess(command, await runOutbound(node, { ...run, command, ...(command !== "DEL" && { args }) }));
  };
  // Without it, its chain leads nowhere: the watcher may take it for what a container has left.
  await node.ip(`link add ${hostInterface} type veth peer name inside${number}`);
  await attempt("ADD");
  await sleep(random.below(LONGEST_STAY_MS));
  if (random.oneIn(3)) await attempt("CHECK");
  await attempt("DEL");
  await node.ip(`link del ${hostInterface}`);
}

function expectSuccess(command: string, { exitCode, stdout, stderr }: OutboundOutcome): void {
  if (exitCode !== 0) throw new Error(`${command} must succeed: exit code ${exitCode}, ${stdout}${stderr}`);
}

interface Before {
  readonly rules: string;
  readonly records: readonly string[];
}

async function nothingLeft(world: NodeWorld, { rules, records }: Before): Promise<void> {
  const isSo = async () =>
    (await ownRules(world.running.node)) === rules && (await recordsOf(world)).join() === records.join();
  await waitUntil(isSo, { what: "nothing to be left of those that went", timeoutMs: 15_000 });
  const isKnown = async () => (await world.watcher.metrics())["outbound_attachments"] === records.length;
  await waitUntil(isKnown, { what: "the watcher to know who is left", timeoutMs: 15_000 });
}

async function recordsOf({ running: { node } }: NodeWorld): Promise<readonly string[]> {
  return (await readdir(join(node.stateDir, "attachments"))).toSorted();
}
