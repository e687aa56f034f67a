import { mkdir, readdir, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type Background, startBackground } from "../../support/background.ts";
import { type CommandOptions, type CommandOutcome, runCommand } from "../../support/command.ts";
import type { ConsulAgent } from "../../support/consul-agent.ts";
import { type Json, parseOwnJson } from "../../support/json.ts";
import type { ClientNode } from "../../support/network-namespace.ts";
import { waitUntil } from "../../support/wait.ts";
import { clientConfig, serverConfig } from "./nomad-config.ts";

/** A Nomad client on a node, with a server beside it. */
export interface NomadAgent {
  readonly binary: string;
  /** The client's own, since it was started last. */
  pid(): number;
  /** A command of Nomad's, or any other, where the agent runs. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandOutcome>;
  nomad(...words: readonly string[]): Promise<string>;
  /** What `/v1/<path>` answers. */
  api(path: string): Promise<Json>;
  /** What the client itself has printed since it was started last. */
  log(): string;
  /** The client ends, and starts again: what it runs goes on. */
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** SIGHUP to the client. */
  reload(): Promise<void>;
  /** Ends both and all that they have started; nothing of what they mounted stays. */
  close(): Promise<void>;
}

export interface NomadOptions {
  readonly binary: string;
  readonly consul: ConsulAgent;
  /** ACLs in Nomad; what `nomad` and `exec` run has the management token then. */
  readonly acl: boolean;
}

const bootstrapSchema = z.object({ SecretID: z.string() });
const KEYS = "/.well-known/jwks.json";

/** Each is a folder of memory that only this agent and what it starts have: a client's own folders. */
const OWN_FOLDERS = ["/run", "/opt", "/var/lib"];

/**
 * Starts a server, and a client that has the machine's programs, the node's network, and folders of its own where
 * plugins, conflists and state are by default. It and its tasks share a mount namespace, as those of a real client do:
 * network namespaces that it mounts are there when it comes back.
 */
export async function startNomad(node: ClientNode, { binary, consul, acl }: NomadOptions): Promise<NomadAgent> {
  const directory = join(node.directory, "nomad");
  await mkdir(directory);
  await writeFile(join(directory, "server.hcl"), serverConfig({ directory, consul, acl }));
  await writeFile(join(directory, "client.hcl"), clientConfig(node, { directory, consul, acl }));
  const holder = await node.start(["sleep", "infinity"]);
  const inside = ["nsenter", `--target=${holder.pid}`, "--mount", "--net"];
  let token = "";
  const exec: NomadAgent["exec"] = (argv, options) =>
    runCommand([...inside, ...argv], { ...options, env: { ...node.env, NOMAD_TOKEN: token, ...options?.env } });
  await waitUntil(async () => (await isApart(holder)) || undefined, { what: "a mount namespace" });
  const mount = OWN_FOLDERS.map((folder) => `mount -t tmpfs tmpfs ${folder}`).join(" && ");
  await exec(["sh", "-c", `${mount} && mkdir -p /run/netns /opt/cni/bin /opt/cni/config /var/lib/cni`]);

  let running: Background | undefined;
  const startAgent = (name: string) =>
    startBackground([...inside, binary, "agent", "-config", join(directory, name)], { env: node.env });
  const asks = async (started: Background, ...words: readonly string[]) => {
    if (started.exitCode() !== undefined) throw new Error(`Cannot start Nomad: ${started.stdout().slice(-3_000)}`);
    return (await exec([binary, ...words], { allowFailure: true })).stdout;
  };
  const startServer = async () => {
    const server = await startAgent("server.hcl");
    // A client that asks to be registered sooner asks again after a quarter of a minute.
    const hasKeys = async () => (await asks(server, "operator", "api", "-X", "GET", KEYS)).includes('"kid"');
    await waitUntil(hasKeys, { what: "Nomad's server to have a leader and keys", timeoutMs: 60_000 });
    if (acl) token = bootstrapSchema.parse(JSON.parse(await asks(server, "acl", "bootstrap", "-json"))).SecretID;
  };
  const startClient = async () => {
    const client = await startAgent("client.hcl");
    running = client;
    const isReady = async () => /\bready$/m.test((await asks(client, "node", "status")).trimEnd());
    await waitUntil(isReady, { what: "Nomad's client to be ready", timeoutMs: 60_000 });
  };
  const agent: NomadAgent = {
    binary,
    pid: () => running?.pid ?? 0,
    exec,
    async nomad(...words) {
      return (await exec([binary, ...words], { timeoutMs: 120_000 })).stdout;
    },
    async api(path) {
      const { stdout } = await exec([binary, "operator", "api", "-X", "GET", `/v1/${path}`]);
      return parseOwnJson<Json>(stdout);
    },
    log: () => `${running?.stdout()}${running?.stderr()}`,
    async restart(signal) {
      await running?.kill(signal);
      await startClient();
    },
    reload: async () => running?.kill("SIGHUP"),
    async close() {
      await running?.kill("SIGKILL");
      await endAllIn(holder.pid);
    },
  };
  try {
    await startServer();
    await startClient();
  } catch (error) {
    await agent.close();
    throw error;
  }
  return agent;
}

/** Once `ip netns exec` has become what it was asked to run. */
async function isApart({ pid }: Background): Promise<boolean> {
  const [own, other] = await Promise.all(["self", pid].map((each) => readlink(`/proc/${each}/ns/mnt`)));
  const [ownNet, otherNet] = await Promise.all(["self", pid].map((each) => readlink(`/proc/${each}/ns/net`)));
  return own !== other && ownNet !== otherNet;
}

/** Tasks are in network namespaces of their own, and outlive the agent. */
async function endAllIn(holder: number): Promise<void> {
  const mounts = await readlink(`/proc/${holder}/ns/mnt`);
  const isOne = async (pid: string) => (await readlink(`/proc/${pid}/ns/mnt`).catch(() => "")) === mounts;
  await waitUntil(
    async () => {
      const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
      const inside = await Promise.all(pids.map(async (pid) => ((await isOne(pid)) ? [pid] : [])));
      if (inside.flat().length === 0) return true;
      await runCommand(["kill", "-KILL", ...inside.flat()], { allowFailure: true });
      return undefined;
    },
    { what: "everything that Nomad started to end", timeoutMs: 30_000 },
  );
}
