import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand } from "../support/command.ts";
import { waitUntil } from "../support/wait.ts";
import { cacheDirectory } from "./cache-directory.ts";

export interface DockerEngine {
  /** What testcontainers must find in `process.env` before its first container. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends the engine if, and only if, `ensureDocker` started it. */
  stop(): Promise<void>;
}

const environment = {
  // Its reaper is an image that would have to be pulled, and needs a bridge.
  TESTCONTAINERS_RYUK_DISABLED: "true",
  // Where the machine is itself a container, testcontainers asks the engine for a bridge that is not there.
  TESTCONTAINERS_HOST_OVERRIDE: "127.0.0.1",
};

const log = join(cacheDirectory, "dockerd.log");
const pidFile = join(cacheDirectory, "dockerd.pid");

/**
 * Makes sure that a container engine answers: the machine's own, else one started here, detached. That one has no bridge
 * and leaves the host's netfilter and forwarding alone: containers must run with network mode `host`.
 */
export async function ensureDocker(): Promise<DockerEngine> {
  if (await isAnswering()) return { environment, stop: async () => {} };
  await mkdir(cacheDirectory, { recursive: true });
  // It may name a process of an engine that was killed; when that pid is in use again, dockerd refuses to start.
  await rm(pidFile, { force: true });
  const dockerd = startEngine();
  const engine = { environment, stop: () => stopEngine(dockerd) };
  try {
    await waitUntil(() => isAnsweringFor(dockerd), { timeoutMs: 30_000, what: `dockerd to answer (see ${log})` });
  } catch (error) {
    await engine.stop();
    throw error;
  }
  return engine;
}

/**
 * Name of an image that runs Consul: `CONSUL_IMAGE`, else one made of nothing but the given executable and the shared
 * libraries it loads. Its entry point is the executable.
 */
export async function ensureConsulImage(consulBinary: string): Promise<string> {
  const given = process.env["CONSUL_IMAGE"];
  if (given !== undefined && given !== "") return given;
  const digest = createHash("sha256")
    .update(await readFile(consulBinary))
    .digest("hex")
    .slice(0, 12);
  const image = `cni-outbound-test/consul:${digest}`;
  const existing = await runCommand(["docker", "image", "inspect", image], { allowFailure: true });
  if (existing.exitCode !== 0) await buildImage(image, consulBinary);
  return image;
}

async function buildImage(image: string, binary: string): Promise<void> {
  const root = await mkdtemp(join(cacheDirectory, "consul-image-"));
  try {
    for (const library of await sharedLibraries(binary)) {
      await mkdir(join(root, dirname(library)), { recursive: true });
      await cp(library, join(root, library), { dereference: true });
    }
    await mkdir(join(root, "tmp"));
    await cp(binary, join(root, "consul"), { dereference: true });
    const archive = join(root, "..", `${image.replace(/[^a-z0-9]/g, "-")}.tar`);
    await runCommand(["tar", "-C", root, "-cf", archive, "."]);
    await runCommand(["docker", "import", "--change", 'ENTRYPOINT ["/consul"]', archive, image]);
    await rm(archive);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Includes the loader; empty for a static executable, on which ldd fails. */
export async function sharedLibraries(binary: string): Promise<readonly string[]> {
  const { stdout } = await runCommand(["ldd", binary], { allowFailure: true });
  return stdout.match(/(?<=^\s|=> )\/\S+/gm) ?? [];
}

async function isAnswering(): Promise<boolean> {
  const { exitCode, stdout } = await runCommand(["docker", "info", "--format", "{{.ServerVersion}}"], {
    allowFailure: true,
    timeoutMs: 10_000,
  });
  return exitCode === 0 && stdout.trim() !== "";
}

function isAnsweringFor(dockerd: ChildProcess): Promise<boolean> {
  if (!isRunning(dockerd)) throw new Error(`Cannot start dockerd: it exited with ${dockerd.exitCode}, see ${log}`);
  return isAnswering();
}

function startEngine(): ChildProcess {
  const output = openSync(log, "a");
  const options = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"];
  const dockerd = spawn("dockerd", [...options, `--pidfile=${pidFile}`], {
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  dockerd.unref();
  dockerd.once("error", () => {});
  if (dockerd.pid === undefined) throw new Error("Cannot start dockerd: it is not on PATH");
  return dockerd;
}

async function stopEngine(dockerd: ChildProcess): Promise<void> {
  dockerd.kill("SIGTERM");
  for (let waitedMs = 0; isRunning(dockerd) && waitedMs < 20_000; waitedMs += 50) await sleep(50);
  if (isRunning(dockerd)) dockerd.kill("SIGKILL");
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

if (import.meta.main) {
  const engine = await ensureDocker();
  if (process.argv.includes("--stop")) await engine.stop();
}
