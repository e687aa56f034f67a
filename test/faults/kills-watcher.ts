import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicMs, waitUntil } from "../support/wait.ts";
import type { Watcher } from "../support/watcher.ts";
import { startChanging } from "./kills-rules.ts";
import { opposite } from "./support/scenario.ts";
import type { World } from "./support/world.ts";

/** From a change of rules on, a watcher that runs has followed it after much less. */
const FOLLOW_MS = 200;
/** For a round in which it may be killed several times while it starts. */
const ROUND_MS = 15_000;

/** Kills the watcher at random instants while rules change all the time; after each round the last state of KV holds. */
export async function killWatcherOften(world: World, instants: number): Promise<void> {
  const { random } = world;
  const startMs = await measureStart(world);
  const changing = startChanging(world.running, random);
  try {
    for (let killed = 0; killed < instants;) {
      const { expected } = world.flows;
      const state = random.oneIn(5) ? expected : opposite(expected);
      const sinceMs = await world.write(state);
      await sleep(random.below(FOLLOW_MS));
      await killWatcher(world.watcher, { withChildren: random.oneIn(2) });
      for (killed++; killed < instants && random.oneIn(2); killed++) {
        await world.startWatcher();
        await sleep(random.below(startMs * 1.2));
        await killWatcher(world.watcher, { withChildren: random.oneIn(2) });
      }
      await world.startWatcher();
      await world.follows(state, { sinceMs, withinMs: ROUND_MS });
    }
  } finally {
    await changing.stop();
  }
  await noProcessIsLeft(world);
}

/** How long a start takes until all is in sync. Ends the watcher that runs. */
async function measureStart(world: World): Promise<number> {
  await world.watcher.stop();
  const sinceMs = monotonicMs();
  const watcher = await world.startWatcher();
  await watcher.waitForLine("In sync with Consul", { timeoutMs: 10_000 });
  const ms = Math.ceil(monotonicMs() - sinceMs);
  world.note("a start until in sync", ms);
  return ms;
}

/** Its children live on, unless they die with it. */
async function killWatcher(watcher: Watcher, { withChildren }: { readonly withChildren: boolean }): Promise<void> {
  // Stopped, it can start no others.
  process.kill(watcher.pid, "SIGSTOP");
  if (withChildren) for (const child of childrenOf(watcher.pid)) killIfThere(child);
  await watcher.kill();
}

function childrenOf(pid: number): readonly number[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** What watchers that were killed had started has ended too. */
async function noProcessIsLeft({ running }: World): Promise<void> {
  let left: readonly string[] = [];
  const look = async () => {
    const { stdout } = await running.node.exec(["ip", "netns", "pids", running.node.namespace]);
    const programs = stdout.split("\n").map(programOf);
    left = programs.filter((program) => /^(?:outbound|nft|ip6?tables\S*|xtables\S*)$/.test(program)).toSorted();
    return ["outbound", "nft,outbound"].includes(left.join());
  };
  await waitUntil(look, { what: "no process to be left", timeoutMs: 10_000 }).catch((cause: unknown) => {
    throw new Error(`Cannot see that no process is left of watchers that were killed: ${left.join()}`, { cause });
  });
}

function programOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
