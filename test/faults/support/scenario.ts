import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runOutboundFor } from "../../support/cni/outbound.ts";
import { createRandom, type Random } from "../../support/random.ts";
import { type Variant, variants } from "../../support/variant.ts";
import { record } from "./account.ts";
import { readForm } from "./form.ts";
import type { FlowState } from "./judge.ts";
import type { Judgement } from "./flows.ts";
import { SECONDS_MS, type World, type WorldControl } from "./world.ts";

/** One thing that goes wrong, as data. */
export interface Scenario<W extends World = World> {
  /** What happens: "Consul is killed". Its name in the account. */
  readonly name: string;
  /** What is asserted besides the flows, for the account. */
  readonly told: string;
  /** In the short form; the long one runs on both. */
  readonly variants: readonly Variant[];
  /** The governed flow when the fault begins. Default: open on nft, closed on legacy; any in the long form. */
  readonly startsWith?: FlowState;
  /** How long the flow that must always pass may be interrupted. Default 0: not one packet is lost. */
  readonly lostBoundMs?: number;
  /** For how long what must not pass may, where the fault takes our rules away. Default 0: not one packet arrives. */
  readonly leakBoundMs?: number;
  /** How soon KV must be followed once the fault is over. Default 8,000. */
  readonly withinMs?: number;
  /** Repetitions in the long form. Default 3. */
  readonly longTimes?: number;
  /** Makes the fault, asserts what is told, ends it, and asserts that the governed flow follows. */
  readonly run: (world: W) => Promise<void>;
}

export interface Group<W extends World = World> {
  readonly name: string;
  readonly scenarios: readonly Scenario<W>[];
  /** What is known not to hold, or not shown here, in whole sentences: for the account. */
  readonly limits?: readonly string[];
  /** The world that its scenarios share. */
  readonly start: (backend: Variant, random: Random) => Promise<W & WorldControl>;
}

/**
 * Defines the tests of a group. After each scenario the world must be ready, follow KV and pass CHECK, or the next one
 * has a new world.
 */
export function testGroup<W extends World>(group: Group<W>): void {
  const form = readForm();
  const used = variants.filter(
    (backend) => form.isLong || group.scenarios.some((each) => each.variants.includes(backend)),
  );
  describe.each(used)(`${group.name}, iptables-%s`, (backend) => {
    const scenarios = group.scenarios.filter((each) => form.isLong || each.variants.includes(backend));
    let world: (W & WorldControl) | undefined;
    beforeAll(() => {
      if (form.isLong) console.log(`FAULTS_SEED=${form.seed} repeats what this run chooses`);
    });
    afterAll(() => world?.close());
    const runs = scenarios.flatMap((scenario) => {
      const times = form.isLong ? (scenario.longTimes ?? 3) : 1;
      return Array.from({ length: times }, (_, time) => ({
        scenario,
        seed: form.seed + time,
        title: times === 1 ? scenario.name : `${scenario.name} (${time + 1} of ${times})`,
      }));
    });
    test.each(runs)("$title", { timeout: 900_000 }, async ({ scenario, seed }) => {
      const random = createRandom(seed);
      world ??= await group.start(backend, random);
      const used = world;
      const outcome = await runOnce(used, scenario, { backend, random, isLong: form.isLong });
      await record({ group: group.name, scenario: scenario.name, backend, seed, form: form.name, ...outcome });
      if (outcome.problems.length > 0) {
        // What one scenario broke must not be held against the next.
        world = undefined;
        console.log(used.watcher.lines().slice(-10));
        await used.close();
      }
      expect(outcome.problems).toEqual([]);
    });
  });
}

interface Outcome extends Judgement {
  readonly notes: Readonly<Record<string, number>>;
}

async function runOnce<W extends World>(
  world: W & WorldControl,
  scenario: Scenario<W>,
  { backend, random, isLong }: { readonly backend: Variant; readonly random: Random; readonly isLong: boolean },
): Promise<Outcome> {
  const { lostBoundMs = 0, leakBoundMs = 0, withinMs = SECONDS_MS } = scenario;
  const usual: FlowState = isLong ? random.pick(["open", "closed"] as const) : backend === "nft" ? "open" : "closed";
  const failures: string[] = [];
  try {
    await change(world, scenario.startsWith ?? usual, SECONDS_MS);
    await world.begin(random);
    await scenario.run(world);
    await world.isReady(200, { withinMs: withinMs + 5_000 });
    await change(world, opposite(world.flows.expected), withinMs);
    await check(world);
  } catch (error) {
    failures.push(messagesOf(error));
  }
  const judgement = await world.flows.judge({ lostBoundMs, leakBoundMs });
  return { ...judgement, problems: [...failures, ...judgement.problems], notes: world.notes() };
}

/** As Nomad does when its agent starts: a failure would end the container. */
async function check({ running, container }: World): Promise<void> {
  const outcome = await runOutboundFor(running.node, container, { conflist: running.conflist, command: "CHECK" });
  if (outcome.exitCode !== 0) throw new Error(`Cannot accept: CHECK failed with ${outcome.stdout}${outcome.stderr}`);
}

async function change(world: World, state: FlowState, withinMs: number): Promise<void> {
  if (world.flows.expected === state) return;
  await world.follows(state, { sinceMs: await world.write(state), withinMs });
}

export function opposite(state: FlowState): FlowState {
  return state === "open" ? "closed" : "open";
}

function messagesOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}\n  ${messagesOf(error.cause)}`;
}
