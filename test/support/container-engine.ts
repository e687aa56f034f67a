import { cp, mkdir, readdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sharedLibraries } from "../setup/docker.ts";
import { type Background, startBackground } from "./background.ts";
import { type CommandOptions, type CommandOutcome, runCommand } from "./command.ts";
import { waitUntil } from "./wait.ts";

/** A container engine inside a namespace: network mode `host` is that namespace's network, not the machine's. */
export interface ContainerEngine {
  /** Runs `docker` with these arguments. */
  docker(args: readonly string[], options?: CommandOptions): Promise<CommandOutcome>;
  /** Starts `docker` with these arguments; it ends with the engine. */
  start(args: readonly string[]): Promise<Background>;
  close(): Promise<void>;
}

/** `directory` keeps its images; only one engine may use it at a time. */
export async function startContainerEngine(
  { path }: { readonly path: string },
  directory: string,
): Promise<ContainerEngine> {
  const socket = join(directory, "docker.sock");
  const folders = [`--data-root=${join(directory, "data")}`, `--exec-root=${join(directory, "exec")}`];
  const quiet = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"];
  const where = [...folders, `--pidfile=${join(directory, "pid")}`, `--host=unix://${socket}`];
  // Not "ip netns exec": under the /sys that it mounts there are no control groups.
  const dockerd = await startBackground(["nsenter", `--net=${path}`, "dockerd", ...quiet, ...where]);
  const env = { DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: "0" };
  const docker: ContainerEngine["docker"] = (args, options) =>
    runCommand(["docker", ...args], { ...options, env: { ...env, ...options?.env } });
  const isAnswering = async () => {
    if (dockerd.exitCode() !== undefined) throw new Error(`Cannot start dockerd: ${dockerd.stderr().slice(-2000)}`);
    return (await docker(["info"], { allowFailure: true })).exitCode === 0;
  };
  await waitUntil(isAnswering, { what: "dockerd to answer", timeoutMs: 30_000 });
  const started: Background[] = [];
  return {
    docker,
    async start(args) {
      const program = await startBackground(["docker", ...args], { env });
      started.push(program);
      return program;
    },
    async close() {
      await Promise.all(started.map((program) => program.kill("SIGTERM")));
      await dockerd.kill("SIGTERM");
      // Network mode "host" keeps the namespace mounted here.
      await runCommand(["umount", join(directory, "exec", "netns", "default")], { allowFailure: true });
    },
  };
}

const sbin = "/usr/sbin";
const programs = ["xtables-nft-multi", "xtables-legacy-multi", "nft"].map((name) => join(sbin, name));

/** An image of this machine's own programs, as no registry of images is at hand: a shell, iptables and nft. */
export async function importBase(
  engine: ContainerEngine,
  { image, directory }: { readonly image: string; readonly directory: string },
): Promise<void> {
  const root = join(directory, "base");
  const extensions = await findExtensions();
  const files = ["/usr/bin/sh", "/usr/bin/mkdir", "/usr/bin/ln", ...programs, ...extensions];
  const libraries = await Promise.all([...files.slice(0, 6), process.execPath].map(sharedLibraries));
  for (const file of new Set([...files, ...libraries.flat()])) {
    await mkdir(join(root, dirname(file)), { recursive: true });
    await cp(file, join(root, file), { dereference: true });
  }
  await mkdir(join(root, "tmp"));
  await mkdir(join(root, "run"));
  await symlink("usr/bin", join(root, "bin"));
  const archive = join(directory, "base.tar");
  await runCommand(["tar", "-C", root, "-cf", archive, "."]);
  await engine.docker(["import", archive, image]);
}

async function findExtensions(): Promise<readonly string[]> {
  const { stdout } = await runCommand(["find", "/usr/lib", "-path", "*/xtables/lib*.so"]);
  const folders = new Set(stdout.split("\n").flatMap((line) => (line === "" ? [] : [dirname(line)])));
  const names = await Promise.all(
    Array.from(folders, async (folder) => (await readdir(folder)).map((name) => join(folder, name))),
  );
  return names.flat();
}
