/** `npm test`: installs what the tests need, then the gate, the build and every suite. Exits 1 when any of it fails. */
import { ensureConsul } from "../setup/consul.ts";
import { ensureConsulImage, ensureDocker } from "../setup/docker.ts";
import { findNomad } from "../setup/nomad.ts";
import { ensurePackages } from "../setup/packages.ts";
import { runGate } from "./gate.ts";
import { runStep } from "./step.ts";
import { runSuite, type SuiteOutcome } from "./suite.ts";

const problems: string[] = [];
const suites: SuiteOutcome[] = [];

await attempt("set up packages", () => ensurePackages({ docker: true, shells: true, linters: true, browser: true }));
const gate = await runGate();
suites.push(gate.unit);

const build = await runStep({ name: "build", command: [process.execPath, "deploy/build.ts"] });
process.stdout.write(build.output);
if (!build.isPassed) problems.push("build: failed");

const consul = await attempt("get Consul", ensureConsul);
// A machine may forbid containers: what needs them is then told as not run, not as failed.
const docker = await ensureDocker().catch((error: unknown) => ({ reason: messageOf(error) }));
const isDockerHere = "stop" in docker;
// No package has it; where somebody has one, it is tried.
const nomad = await findNomad().then(
  (path) => ({ path }),
  (error: unknown) => ({ reason: messageOf(error) }),
);
try {
  const image =
    isDockerHere && consul !== undefined
      ? await attempt("build Consul's image", () => ensureConsulImage(consul))
      : undefined;
  const env = {
    ...(consul !== undefined && { CONSUL_BIN: consul }),
    ...(isDockerHere && image !== undefined && { ...docker.environment, CONSUL_IMAGE: image }),
  };
  for (const name of ["contract", "fuzz", "consul", "kernel", "e2e", "faults"])
    suites.push(await runSuite(name, { env, output: "show" }));
  if ("path" in nomad)
    suites.push(await runSuite("e2e/nomad", { env: { ...env, NOMAD_BIN: nomad.path }, output: "show" }));
} finally {
  if (isDockerHere) await docker.stop();
}

process.stdout.write("\n");
for (const suite of suites) printSuite(suite);
if (!isDockerHere) process.stdout.write(`did not run: what needs containers: ${docker.reason}\n`);
if ("reason" in nomad) process.stdout.write(`did not run: e2e/nomad: ${nomad.reason}\n`);
for (const problem of problems) process.stdout.write(`FAILED ${problem}\n`);
if (gate.failedSteps > 0) process.stdout.write(`FAILED gate: ${gate.failedSteps} of its steps, see above\n`);

const passed = sum(suites.map((suite) => suite.passed));
const failed = sum(suites.map((suite) => suite.failed)) + problems.length + gate.failedSteps;
process.stdout.write(
  `${passed} passed, ${failed} failed, ${sum(suites.map((suite) => suite.skipped.length))} skipped\n`,
);
process.exitCode = failed === 0 ? 0 : 1;

async function attempt<T>(what: string, action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    problems.push(`${what}: ${messageOf(error)}`);
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function printSuite({ name, passed, failed, skipped, seconds, problem }: SuiteOutcome): void {
  const counts = `passed ${passed}, failed ${failed}, skipped ${skipped.length}`;
  process.stdout.write(`${failed === 0 ? "ok    " : "FAILED"} ${name.padEnd(10)} ${counts}, ${seconds.toFixed(1)} s\n`);
  if (problem !== undefined) process.stdout.write(`       ${name}: ${problem}\n`);
  for (const test of skipped) process.stdout.write(`did not run: ${name}: ${test}\n`);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
