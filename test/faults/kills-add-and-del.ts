import { setTimeout as sleep } from "node:timers/promises";
import type { PluginRun } from "../support/cni/plugin.ts";
import type { Container } from "../support/container.ts";
import { type Flood, startFlood } from "../support/flood.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import { nothingIsLeft } from "./kills-agreement.ts";
import { mustRun, rulesByChain, runAndKill, runFor, withoutOutbound } from "./kills-plugin.ts";
import type { World } from "./support/world.ts";

/** Denied by default. */
const FLOOD_PORT = 2_000;
const PACKETS_PER_SECOND = 500;
/** How long the flood must find nothing open. */
const HOLD_MS = 40;
const JOB = "namespace/default/job/batch/allow";

type Kind = "ADD" | "ADD again" | "DEL";

/**
 * Kills the plugin at random instants, spread over a little more than it takes: of the first ADD, of an ADD for a
 * container that is attached, and of DEL. Half the time there is no watcher.
 */
export async function killAddAndDelOften(world: World, instants: number): Promise<void> {
  const { running, random } = world;
  await running.put(JOB, [{ host: running.outside[4], proto: "tcp", port: 1005, action: "ACCEPT" }]);
  const victim = await running.node.attach({
    conflist: withoutOutbound(running.conflist),
    identity: { region: "global", namespace: "default", job: "batch", group: "app" },
  });
  const floods = await startFloods(world, victim);
  try {
    // The control: nothing filters the container yet.
    for (const flood of floods)
      await waitUntil(async () => (await flood.passed()).received > 10, { what: "the flood" });
    const before = await rulesByChain(running.node);
    const durations = await measure(world, victim);
    const killed: Record<Kind, number> = { ADD: 0, "ADD again": 0, DEL: 0 };
    for (let instant = 0; instant < instants; instant++) {
      if (instant === 0) await world.watcher.stop();
      if (instant === Math.floor(instants / 2)) {
        const watcher = await world.startWatcher();
        await watcher.waitForLine("In sync with Consul", { timeoutMs: 10_000 });
      }
      const kind = (["ADD", "ADD again", "DEL"] as const)[instant % 3] ?? "ADD";
      // One in each part of the time: at 0 it is killed for certain, and at the end it has done all.
      const part = (Math.floor(instant / 3) + random.below(1_000) / 1_000) / Math.ceil(instants / 3);
      const afterMs = part * durations[kind === "DEL" ? "DEL" : "ADD"] * 1.2;
      try {
        if (await cycle(world, { victim, floods, kind, afterMs })) killed[kind]++;
        await nothingIsLeft(world, { withinMs: 5_000 });
        const after = await rulesByChain(running.node);
        if (after !== before)
          throw new Error(`Cannot accept the rules: they are not as before\n${before}\n---\n${after}`);
      } catch (cause) {
        throw new Error(`Cannot go on after ${kind} was killed at ${afterMs} ms (${instant})`, { cause });
      }
    }
    for (const [kind, count] of Object.entries(killed)) {
      if (count < instants / 15) throw new Error(`Cannot prove anything: ${kind} was killed ${count} times only`);
    }
  } finally {
    await Promise.all(floods.map((flood) => flood.stop()));
    await victim.detach();
    await running.remove(JOB);
  }
}

interface Cycle {
  readonly victim: Container;
  readonly floods: readonly Flood[];
  readonly kind: Kind;
  readonly afterMs: number;
}

/** From nothing to attached and back, one run on the way killed. Returns whether it still ran when it was. */
async function cycle(world: World, { victim, floods, kind, afterMs }: Cycle): Promise<boolean> {
  const { running, random } = world;
  const { node } = running;
  const [add, del, check] = (["ADD", "DEL", "CHECK"] as const).map((verb) => runFor(running.conflist, victim, verb));
  if (!add || !del || !check) throw new Error("Cannot run: a verb is missing");
  const kill = (run: PluginRun) => runAndKill(node, run, afterMs);
  let wasKilled = kind === "ADD" && (await kill(add));
  // As Nomad does after an ADD that failed.
  const isGivenUp = kind === "ADD" && random.oneIn(3);
  if (!isGivenUp) {
    await mustRun(node, add);
    const attachedAtMs = monotonicMs();
    if (kind === "ADD again") {
      wasKilled = await kill(add);
      await mustRun(node, check);
      await sleep(HOLD_MS);
      await mustRun(node, add);
    }
    await mustRun(node, check);
    await sleep(HOLD_MS);
    await nothingPassed(floods, attachedAtMs);
  }
  if (kind === "DEL") wasKilled = await kill(del);
  if (kind === "DEL" && random.oneIn(3)) {
    await mustRun(node, add);
    const attachedAtMs = monotonicMs();
    await mustRun(node, check);
    await sleep(HOLD_MS);
    await nothingPassed(floods, attachedAtMs);
  }
  await mustRun(node, del);
  return wasKilled;
}

async function nothingPassed(floods: readonly Flood[], sentAfterMs: number): Promise<void> {
  for (const flood of floods) {
    const { receivedSentAfter } = await flood.passed({ sentAfterMs });
    if (receivedSentAfter > 0) throw new Error(`Cannot accept: ${receivedSentAfter} packets of the flood passed`);
  }
}

async function startFloods({ running }: World, victim: Container): Promise<readonly Flood[]> {
  const to = running.node.outside;
  const options = { from: victim, to, port: FLOOD_PORT, packetsPerSecond: PACKETS_PER_SECOND };
  return [
    await startFlood({ ...options, address: running.outside[4] }),
    await startFlood({ ...options, address: running.outside[6] }),
  ];
}

/** What each takes, at its longest of three. */
async function measure(world: World, victim: Container): Promise<Readonly<Record<"ADD" | "DEL", number>>> {
  const { node, conflist } = world.running;
  const durations = { ADD: 0, DEL: 0 };
  for (let time = 0; time < 3; time++) {
    for (const verb of ["ADD", "DEL"] as const) {
      durations[verb] = Math.max(durations[verb], await mustRun(node, runFor(conflist, victim, verb)));
    }
  }
  world.note("ADD", durations.ADD);
  world.note("DEL", durations.DEL);
  return durations;
}
