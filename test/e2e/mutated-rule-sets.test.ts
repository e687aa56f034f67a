import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readProposal } from "../../cmd/proposal.ts";
import { compareVerdicts } from "../../lib/policy/verdict-changes.ts";
import { LARGEST_VALUE_BYTES } from "../../lib/policy/rule-set.ts";
import { ProposalError } from "../../lib/rules/proposal-error.ts";
import { attachmentOf } from "../support/attachment.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { runCommand } from "../support/command.ts";
import { parseOwnJson } from "../support/json.ts";
import { mutatedRuleSets } from "../support/mutated-rule-sets.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import { type RunningNode, startRunningNode } from "./running-node.ts";

const COUNT = 10_000;
const SEED = 20_261_124;
const SCOPE = "namespace/default/job/nobody";
/** So many are given to the executable one by one. */
const RUN_EACH = 40;

interface Case {
  readonly name: string;
  readonly value: Uint8Array;
}

interface ValidatedFile {
  readonly file: string;
  readonly kind?: string;
  readonly isValid: boolean;
  readonly issues: readonly { readonly path: string; readonly line: number; readonly column: number }[];
}

const cases: readonly Case[] = Array.from(mutatedRuleSets({ seed: SEED, count: COUNT }), ({ value }, index) => ({
  name: `m${String(index).padStart(5, "0")}`,
  value,
}));

let directory: string;
let running: RunningNode;
let watcher: Watcher;
let validated: ReadonlyMap<string, ValidatedFile>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "cni-outbound-mutated-"));
  await mkdir(join(directory, "rules"));
  for (const { name, value } of cases) await writeFile(fileOf(name), value);
  running = await startRunningNode({ backend: "nft" });
  // Its namespace is what has the watcher read these keys; nothing of them applies to it.
  await running.node.attach({ conflist: running.conflist });
  watcher = await startWatcher(running.node);
  await watcher.waitForLine("In sync with Consul");
});

afterAll(async () => {
  await running.close();
  await rm(directory, { recursive: true, force: true });
});

function fileOf(name: string): string {
  return join(directory, "rules", `${name}.json`);
}

function runOutbound(...words: readonly string[]) {
  const env = { CONSUL_HTTP_ADDR: running.consul.unixUrl };
  return runCommand([outboundPath, ...words], { env, allowFailure: true });
}

function namesWhere(isWanted: (file: ValidatedFile) => boolean): readonly string[] {
  return cases.map(({ name }) => name).filter((name) => isWanted(validated.get(name) ?? never(name)));
}

function never(name: string): never {
  throw new Error(`${name} was not validated`);
}

test("validate judges each of them, and says of every issue where it is", async () => {
  const { stdout, exitCode } = await runOutbound("rules", "validate", "--json", join(directory, "rules"));
  expect(exitCode).toBe(1);
  const { files } = parseOwnJson<{ readonly files: readonly ValidatedFile[] }>(stdout);
  validated = new Map(files.map((each) => [each.file.slice(-"m00000.json".length, -".json".length), each]));
  expect(validated.size).toBe(COUNT);
  const isPlaced = ({ path, line, column }: ValidatedFile["issues"][number]): boolean =>
    path.startsWith("$") && line > 0 && column > 0;
  expect(files.filter(({ kind }) => kind !== "rule-set")).toEqual([]);
  expect(files.filter(({ isValid, issues }) => isValid !== (issues.length === 0))).toEqual([]);
  expect(files.filter(({ issues }) => !issues.every(isPlaced))).toEqual([]);
  // Some of either kind, or the others would compare nothing.
  expect(namesWhere(({ isValid }) => isValid).length).toBeGreaterThan(COUNT / 10);
  expect(namesWhere(({ isValid }) => !isValid).length).toBeGreaterThan(COUNT / 10);
});

test("put and plan take what validate takes, and name a path where they do not", async () => {
  const subject = attachmentOf();
  const nothing = { node: "n1", ruleSets: [] };
  const scope = { kind: "global" } as const;
  const unplaced: unknown[] = [];
  for (const { name, value } of cases) {
    const proposal = await readProposal(
      { file: name },
      { current: undefined, nowMs: 0, readFile: () => Promise.resolve(value) },
    ).catch((error: unknown) => {
      if (!(error instanceof ProposalError)) throw error;
      return error;
    });
    const isTaken = !(proposal instanceof ProposalError);
    expect({ name, isTaken }).toEqual({ name, isTaken: validated.get(name)?.isValid });
    if (!isTaken) {
      unplaced.push(...proposal.issues.filter(({ path }) => path?.startsWith("$") !== true));
      continue;
    }
    const { ruleSet } = proposal;
    const after = { node: "n1", ruleSets: [{ key: "global/m", scope, name: "m", modifyIndex: 1, ruleSet }] };
    const { isComplete } = compareVerdicts(subject, {
      before: { runtimeRules: nothing, nowMs: 0 },
      after: { runtimeRules: after, nowMs: 0 },
    });
    expect({ name, isComplete }).toEqual({ name, isComplete: true });
  }
  expect(unplaced).toEqual([]);
});

test("the executable's put and plan agree with that, one by one", async () => {
  const step = COUNT / RUN_EACH;
  for (const { name } of cases.filter((_, index) => index % step === 0)) {
    const isValid = validated.get(name)?.isValid;
    const args = [`one-${name}`, "--namespace", "default", "--job", "nobody", "-f", fileOf(name)];
    const planned = await runOutbound("plan", ...args);
    expect(planned).toMatchObject({ exitCode: isValid ? 1 : 255 });
    const put = await runOutbound("rules", "put", ...args);
    expect(put).toMatchObject({ exitCode: isValid ? 0 : 1 });
    const isPlaced = /^outbound: Cannot read rule set: [\s\S]*\.json:\d+:\d+: \$/.test(put.stderr);
    expect({ name, isPlaced }).toEqual({ name, isPlaced: !isValid });
  }
}, 120_000);

test("the watcher keeps what validate takes and rejects what it does not", async () => {
  const small = new Set(cases.filter(({ value }) => value.byteLength <= LARGEST_VALUE_BYTES).map(({ name }) => name));
  await putAll(cases.filter(({ name }) => small.has(name)));
  await running.put("namespace/default/job/nobody/z-last", { action: "ACCEPT" });

  const isKnown = async (): Promise<readonly string[] | undefined> => {
    const text = await readFile(join(running.node.cacheDir, "runtime-rules.json"), "utf8");
    const { ruleSets } = parseOwnJson<{ readonly ruleSets: readonly { readonly key: string }[] }>(text);
    const keys = ruleSets.map(({ key }) => key.slice(SCOPE.length + 1));
    return keys.includes("z-last") ? keys.filter((key) => key.startsWith("m")) : undefined;
  };
  const kept = await waitUntil(isKnown, { what: "the watcher to have read all", timeoutMs: 60_000 });
  expect(kept).toEqual(namesWhere(({ isValid }) => isValid).filter((name) => small.has(name)));

  const refused = namesWhere(({ isValid }) => !isValid).filter((name) => small.has(name));
  const rejections = (): readonly Rejected[] =>
    watcher
      .lines()
      .filter(({ msg }) => msg === "Rejected a rule set, nothing of it is in force")
      .map((line) => parseOwnJson<Rejected>(JSON.stringify(line)));
  const told = await waitUntil(() => isLongEnough(rejections(), refused.length), { what: "all rejections to be told" });
  expect(told.map(({ key }) => key.slice(SCOPE.length + 1)).toSorted()).toEqual(refused);
  expect(told.filter(({ issues }) => !issues.every(({ path }) => path.startsWith("$")))).toEqual([]);
  expect(watcher.exitCode()).toBeUndefined();
  expect((await watcher.ready()).status).toBe(200);
}, 180_000);

interface Rejected {
  readonly key: string;
  readonly issues: readonly { readonly path: string }[];
}

/** The watcher's lines come through a pipe. */
function isLongEnough<T>(list: readonly T[], length: number): readonly T[] | undefined {
  return list.length >= length ? list : undefined;
}

/** A few at a time, over connections that stay open. */
async function putAll(all: readonly Case[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const waiting = [...all];
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const path = `/v1/kv/outbound/rules/${SCOPE}/${next.name}`;
      const { status, body } = await running.consul.request({ method: "PUT", path, body: next.value, agent });
      if (status !== 200) throw new Error(`Cannot put ${next.name}: Consul answered ${status}, ${body}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  agent.destroy();
}
