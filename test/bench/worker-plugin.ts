/** Runs inside a node's network namespace: measures the plugin's verbs there, and what they are made of. */
import type { CniCommand } from "../support/cni/plugin.ts";
import { runCommand } from "../support/command.ts";
import { parseOwnJson } from "../support/json.ts";
import type { Variant } from "../support/variant.ts";
import { changesIn, createRecorder, lastOfEachFamily, type RecordedCall, replay } from "./recorded-calls.ts";
import { timeRun } from "./timed-run.ts";
import { answerJob } from "./worker-job.ts";

export interface PluginJob {
  readonly variant: Variant;
  readonly rounds: number;
  readonly outbound: string;
  readonly bare: string;
  /** The plugin's standard input. */
  readonly config: string;
  /** Of an ADD; CNI_COMMAND is put in. */
  readonly env: Readonly<Record<string, string>>;
  /** What it should leave in the kernel. */
  readonly chain: string;
  /** For what is recorded; removed with the node. */
  readonly directory: string;
}

const verbs = ["ADD", "CHECK", "DEL"] as const;

type Verb = (typeof verbs)[number];

export interface VerbSamples {
  readonly plugin: number[];
  /** The iptables calls that the verb needs, made by themselves. */
  readonly calls: number[];
  /** How many iptables processes the plugin starts. */
  readonly processes: number;
}

export interface PluginFound {
  readonly bare: readonly number[];
  readonly verbs: Readonly<Record<Verb, VerbSamples>>;
}

await answerJob((text) => measure(parseOwnJson<PluginJob>(text)));

async function measure(job: PluginJob): Promise<PluginFound> {
  const run = async (command: Verb, env: Readonly<Record<string, string>> = {}): Promise<number> => {
    const given = { ...job.env, ...env, CNI_COMMAND: command satisfies CniCommand };
    const tookMs = await timeRun({ argv: [job.outbound], input: job.config, env: given });
    await expectChain(job, command !== "DEL");
    return tookMs;
  };
  // The first of all makes the main chain, which then stays.
  for (const verb of verbs) await run(verb);
  const recorder = await createRecorder(job.directory, job.variant);
  const record = async (verb: Verb): Promise<readonly RecordedCall[]> => {
    await run(verb, { PATH: `${recorder.path}:${job.env["PATH"]}` });
    return recorder.take();
  };
  const recorded = { ADD: await record("ADD"), CHECK: await record("CHECK"), DEL: await record("DEL") };
  const needed = {
    ADD: lastOfEachFamily(changesIn(recorded.ADD)),
    CHECK: recorded.CHECK,
    DEL: lastOfEachFamily(changesIn(recorded.DEL)),
  };
  const samplesOf = (verb: Verb) => ({ plugin: list(), calls: list(), processes: recorded[verb].length });
  const found = { bare: list(), verbs: { ADD: samplesOf("ADD"), CHECK: samplesOf("CHECK"), DEL: samplesOf("DEL") } };
  for (let round = 0; round < job.rounds; round++) {
    found.bare.push(await timeRun({ argv: [job.bare], input: job.config, env: job.env }));
    for (const verb of verbs) found.verbs[verb].plugin.push(await run(verb));
    for (const verb of verbs) {
      found.verbs[verb].calls.push(await replay(needed[verb], job.variant));
      await expectChain(job, verb !== "DEL");
    }
  }
  return found;
}

/** @throws Error unless the chain is there, or not there, in both families */
async function expectChain({ chain, env }: PluginJob, isExpected: boolean): Promise<void> {
  for (const program of ["iptables", "ip6tables"]) {
    const { exitCode } = await runCommand([program, "-w", "-S", chain], { env, allowFailure: true });
    if ((exitCode === 0) !== isExpected) {
      throw new Error(`Cannot measure: ${program} ${exitCode === 0 ? "has" : "has no"} chain ${chain} after the verb`);
    }
  }
}

function list(): number[] {
  return [];
}
