/**
 * `npm run test:faults`: the fault suite alone. As root.
 *
 * --long      the form for nights: more repetitions, both variants of iptables, instants chosen at random
 * --seed N    repeats what a run with that seed chose
 * --account   writes test/faults/README.md from this run; --long does too
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runStep } from "../gate/step.ts";
import { runSuite } from "../gate/suite.ts";
import { ensureConsul } from "../setup/consul.ts";
import { ensureConsulImage, ensureDocker } from "../setup/docker.ts";
import { ensurePackages } from "../setup/packages.ts";
import { runCommand } from "../support/command.ts";
import { parseOwnJson } from "../support/json.ts";
import { cacheFolder, type RunRecord } from "./support/account.ts";
import { renderAccount } from "./support/render-account.ts";

const { values } = parseArgs({
  options: {
    long: { type: "boolean", default: false },
    account: { type: "boolean", default: false },
    seed: { type: "string" },
  },
});

// Some scenarios are named by how often they do what they do.
process.env["FAULTS"] = values.long ? "long" : "gate";
// One for all files of the run.
if (values.long) process.env["FAULTS_SEED"] ??= String(Math.floor(Math.random() * 1e9));
if (values.seed !== undefined) process.env["FAULTS_SEED"] = values.seed;
// Whoever runs single files meanwhile must not add to this account.
const records = join(cacheFolder, `records-${process.pid}.jsonl`);
process.env["FAULTS_RECORDS"] = records;

await ensurePackages({ docker: true });
const build = await runStep({ name: "build", command: [process.execPath, "deploy/build.ts"] });
process.stdout.write(build.output);
const consul = await ensureConsul();
// A machine may forbid containers: the cluster's servers are processes of the machine then.
const docker = await ensureDocker().catch(() => undefined);
try {
  const image = docker && { ...docker.environment, CONSUL_IMAGE: await ensureConsulImage(consul) };
  const suite = await runSuite("faults", { env: { CONSUL_BIN: consul, ...image }, output: "show" });
  process.stdout.write(`faults: passed ${suite.passed}, failed ${suite.failed}, ${suite.seconds.toFixed(0)} s\n`);
  if (suite.problem !== undefined) process.stdout.write(`faults: ${suite.problem}\n`);
  if (values.account || values.long) await writeAccount(consul, docker !== undefined);
  process.exitCode = build.isPassed && suite.failed === 0 ? 0 : 1;
} finally {
  await rm(records, { force: true });
  await docker?.stop();
}

async function writeAccount(consulBinary: string, isInContainers: boolean): Promise<void> {
  const lines = (await readFile(records, "utf8")).split("\n").filter((line) => line !== "");
  const firstLine = async (argv: readonly string[]) => (await runCommand(argv)).stdout.split("\n")[0] ?? "";
  const machine = [
    `Linux ${release().replace(/-.*/, "")}`,
    await firstLine(["xtables-nft-multi", "iptables", "--version"]),
    await firstLine([consulBinary, "version"]),
    `the cluster's servers in ${isInContainers ? "containers" : "processes of the machine"}`,
  ];
  const { groups } = await import("./groups.ts");
  const text = renderAccount({ groups, records: lines.map(parseOwnJson<RunRecord>), machine });
  await writeFile(join(import.meta.dirname, "README.md"), text);
}
