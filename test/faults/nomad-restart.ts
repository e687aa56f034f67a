import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { families } from "../e2e/running-node.ts";
import { chainOf, outboundPath } from "../support/cni/outbound.ts";
import type { PluginRun } from "../support/cni/plugin.ts";
import type { Container } from "../support/container.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { waitUntil } from "../support/wait.ts";
import { differences, nothingIsLeft } from "./kills-agreement.ts";
import { environmentOf, gcFor, mustRun, runFor, withoutOutbound } from "./kills-plugin.ts";
import type { World } from "./support/world.ts";

const afterwards = ["ADD", "DEL", "GC that lists it", "GC that does not", "nothing"] as const;

/**
 * The agent is killed at random instants while an ADD that it started runs on as nobody's child. What Nomad may do
 * next, at once or when that has ended, succeeds, and leaves what it should.
 */
export async function restartAgentOften(world: World, instants: number): Promise<void> {
  const { running, random } = world;
  const { node, conflist } = running;
  let container = await attachUnfiltered(world);
  const longestMs = (await mustRun(node, runFor(conflist, container, "ADD"))) * 1.2;
  await mustRun(node, runFor(conflist, container, "DEL"));
  for (let instant = 0; instant < instants; instant++) {
    const next = afterwards[instant % afterwards.length] ?? "ADD";
    const afterMs = random.below(longestMs);
    try {
      const left = await startAndKillAgent(node, runFor(conflist, container, "ADD"), afterMs);
      if (random.oneIn(2)) await hasEnded(left);
      await goOn(world, { container, next, left });
      await mustRun(node, runFor(conflist, container, "DEL"));
      await nothingIsLeft(world);
    } catch (cause) {
      throw new Error(`Cannot go on after an agent restart ${afterMs} ms into ADD, then ${next}`, { cause });
    }
    if (next === "nothing") {
      await container.detach();
      container = await attachUnfiltered(world);
    }
  }
  await container.detach();
}

interface GoOn {
  readonly container: Container;
  readonly next: (typeof afterwards)[number];
  /** The plugin that the agent had started. */
  readonly left: number;
}

async function goOn(world: World, { container, next, left }: GoOn): Promise<void> {
  const { running } = world;
  const { node, conflist } = running;
  const chains = [world.container, container].map(({ containerId }) => chainOf(conflist, containerId));
  switch (next) {
    case "ADD":
      await mustRun(node, runFor(conflist, container, "ADD"));
      await hasEnded(left);
      await mustRun(node, runFor(conflist, container, "CHECK"));
      for (const family of families) {
        const denied = { address: running.outside[family], port: 1007 };
        if (await container.canReach(denied)) throw new Error(`Cannot accept: it reaches ${denied.address}`);
      }
      return expectOnly(node, chains);
    case "DEL":
      await mustRun(node, runFor(conflist, container, "DEL"));
      return hasEnded(left);
    case "GC that lists it": {
      await mustRun(node, gcFor(conflist, [world.container, container]));
      await hasEnded(left);
      const isAttached = existsSync(join(node.stateDir, "attachments", `${chains[1]}.json`));
      return expectOnly(node, isAttached ? chains : chains.slice(0, 1));
    }
    case "GC that does not":
      await hasEnded(left);
      await mustRun(node, gcFor(conflist, [world.container]));
      return nothingIsLeft(world);
    case "nothing":
      // As where the whole machine's containers are gone with the agent: the watcher finds it.
      await container.close();
      await hasEnded(left);
      return nothingIsLeft(world, { withinMs: 15_000 });
  }
}

/** A plugin that was interrupted by nobody has written both families; the watcher may be at work. */
async function expectOnly(node: ClientNode, chains: readonly string[]): Promise<void> {
  let found: readonly string[] = [];
  const look = async () => (found = await differences(node, chains)).length === 0;
  await waitUntil(look, { what: "records and chains to agree" }).catch((cause: unknown) => {
    throw new Error(`Cannot accept: ${found.join("; ")}`, { cause });
  });
}

/** Returns the number of the plugin that is left, or was. */
async function startAndKillAgent(node: ClientNode, run: PluginRun, afterMs: number): Promise<number> {
  const script = join(import.meta.dirname, "nomad-agent.ts");
  const command = [process.execPath, script, outboundPath, JSON.stringify(run.config)];
  const agent = spawn("setpriv", ["--pdeathsig", "KILL", "ip", "netns", "exec", node.namespace, ...command], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...environmentOf(node, run), NODE_OPTIONS: "" },
  });
  const exited = once(agent, "exit");
  const line = await new Promise<string>((resolve) => createInterface({ input: agent.stdout }).once("line", resolve));
  await sleep(afterMs);
  agent.kill("SIGKILL");
  await exited;
  return Number(line);
}

async function hasEnded(pid: number): Promise<void> {
  await waitUntil(() => !existsSync(`/proc/${pid}`), { what: "the plugin to end", timeoutMs: 20_000 });
}

function attachUnfiltered({ running }: World): Promise<Container> {
  return running.node.attach({ conflist: withoutOutbound(running.conflist) });
}
