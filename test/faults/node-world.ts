import { runOutboundFor } from "../support/cni/outbound.ts";
import { CniFailure } from "../support/cni/plugin.ts";
import type { Container } from "../support/container.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { waitUntil } from "../support/wait.ts";
import { type RunningNode, startRunningNode } from "../e2e/running-node.ts";
import type { Random } from "../support/random.ts";
import type { Variant } from "../support/variant.ts";
import type { WatcherOptions } from "../support/watcher.ts";
import { startWorld, type World, type WorldControl } from "./support/world.ts";

/** A world whose node has a second container, which none of the flows goes through. */
export interface NodeWorld extends World {
  readonly neighbour: Container;
}

/** What was done to a node before its watcher started. */
export interface Prepared {
  readonly watcher?: WatcherOptions;
  /** Undoes it, before the node closes. */
  readonly undo?: () => Promise<void>;
}

export async function startNodeWorld(
  backend: Variant,
  random: Random,
  prepare: (node: ClientNode) => Promise<Prepared> = async () => ({}),
): Promise<NodeWorld & WorldControl> {
  const running = await startRunningNode({ backend });
  const { undo, watcher } = await prepare(running.node).catch(async (cause: unknown) => {
    await running.close();
    throw cause;
  });
  const close = async () => {
    await undo?.();
    await running.close();
  };
  const world = await startWorld({ ...running, close }, random, watcher && { watcher });
  const neighbour = await attachNeighbour(running).catch(async (cause: unknown) => {
    await world.close();
    throw cause;
  });
  return Object.assign(world, { neighbour });
}

export function attachNeighbour({ node, conflist }: RunningNode): Promise<Container> {
  const identity = { region: "global", namespace: "default", job: "batch", group: "app" };
  return node.attach({ conflist, identity });
}

/** Our plugin alone says of a container what CHECK says: undefined where all is well, or why not. */
export async function checkAlone(
  { running: { node, conflist } }: World,
  container: Container,
): Promise<string | undefined> {
  const { exitCode, stdout } = await runOutboundFor(node, container, { conflist, command: "CHECK" });
  return exitCode === 0 && stdout === "" ? undefined : `exit code ${exitCode}, ${stdout}`;
}

/** CHECK must be good for every container that stands. */
export async function allChecked(world: NodeWorld, more: readonly Container[] = []): Promise<void> {
  for (const container of [world.container, world.neighbour, ...more]) {
    const failure = await checkAlone(world, container);
    if (failure !== undefined) throw new Error(`CHECK of ${container.containerId} must be good: ${failure}`);
  }
}

/** CHECK must fail, saying this. */
export async function checkFails(world: World, container: Container, saying: RegExp): Promise<void> {
  const failure = await checkAlone(world, container);
  if (failure === undefined || !saying.test(failure)) {
    throw new Error(`CHECK of ${container.containerId} must fail with ${saying}: it says ${failure ?? "nothing"}`);
  }
}

/** All that is ours in both families' filter tables, without counters; in an order that does not depend on who came first. */
export async function ownRules(node: ClientNode): Promise<string> {
  const saved = await Promise.all(([4, 6] as const).map((family) => savedTable(node, family)));
  return saved
    .map((text) =>
      text
        .split("\n")
        .filter((line) => line.startsWith("-A CNI-OUT"))
        .toSorted()
        .join("\n"),
    )
    .join("\n\n");
}

export async function savedTable(node: ClientNode, family: 4 | 6): Promise<string> {
  const { stdout } = await node.exec([family === 4 ? "iptables-save" : "ip6tables-save", "-t", "filter"]);
  return stdout.replace(/^#.*\n/gm, "").replace(/\[\d+:\d+\]/g, "[0:0]");
}

/** `FORWARD -m comment … -j CNI-OUTBOUND` for each jump from a chain that is not ours to one that is. */
export function jumpsIn(saved: string): readonly string[] {
  return [...saved.matchAll(/^-A (?!CNI-OUT)(.*-j CNI-OUTBOUND)$/gm)].map(([, jump = ""]) => jump);
}

/** Waits until our chains are as they were, reached from each place once, and CHECK is good. */
export async function repaired(world: NodeWorld, before: string, timeoutMs: number): Promise<void> {
  const { node } = world.running;
  const isAsBefore = async () =>
    (await ownRules(node)) === before &&
    (await isEachJumpOnce(node)) &&
    (await checkAlone(world, world.container)) === undefined;
  await waitUntil(isAsBefore, { what: "our chains to be as they were, and CHECK good", timeoutMs });
}

async function isEachJumpOnce(node: ClientNode): Promise<boolean> {
  const jumps = await Promise.all(([4, 6] as const).map(async (family) => jumpsIn(await savedTable(node, family))));
  return jumps.every((each) => each.length > 0 && new Set(each).size === each.length);
}

/** Attaching it must be refused by our plugin with this code, saying this. */
export async function expectRefusal(attaching: Promise<unknown>, code: number, saying: string): Promise<void> {
  const failure: unknown = await attaching.then(
    () => "nothing, it succeeds",
    (error: unknown) => error,
  );
  const error = failure instanceof CniFailure ? failure.error : undefined;
  if (error?.code !== code || !error.msg.includes(saying)) {
    throw new Error(`ADD must be refused with code ${code} and "${saying}"`, { cause: failure });
  }
}
