import { mkdir, readdir, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Background, startBackground } from "../../support/background.ts";
import { type CommandOptions, type CommandOutcome, runCommand } from "../../support/command.ts";
import type { ConsulAgent } from "../../support/consul-agent.ts";
import type { ClientNode } from "../../support/network-namespace.ts";
import { type Json, parseOwnJson } from "../../support/json.ts";
import { waitUntil } from "../../support/wait.ts";

/** A Nomad server and client in one, on a node. */
export interface NomadAgent {
  readonly binary: string;
  /** The agent's own, since it was started last. */
  pid(): number;
  /** A command of Nomad's, or any other, where the agent runs. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandOutcome>;
  nomad(...words: readonly string[]): Promise<string>;
  /** What `/v1/<path>` answers. */
  api(path: string): Promise<Json>;
  /** What the agent itself has printed since it was started last. */
  log(): string;
  /** It ends, and starts again: what it runs goes on. */
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** SIGHUP. */
  reload(): Promise<void>;
  /** Ends it and all that it has started; nothing of what they mounted stays. */
  close(): Promise<void>;
}

export interface NomadOptions {
  readonly binary: string;
  readonly consul: ConsulAgent;
}

/** Every one of them is a folder of memory that only this agent and what it starts have: a client's own folders. */
const OWN_FOLDERS = ["/run", "/opt", "/var/lib"];

/**
 * Starts an agent that has the machine's programs, the node's network, and folders of its own where plugins, conflists
 * and state are by default. It and its tasks share a mount namespace, as those of a real client do: network namespaces
 * that the agent mounts are there when it comes back.
 */
export async function startNomad(node: ClientNode, { binary, consul }: NomadOptions): Promise<NomadAgent> {
  const directory = join(node.directory, "nomad");
  await mkdir(directory);
  await writeFile(join(directory, "agent.hcl"), agentConfig(node, { directory, consul }));
  const holder = await node.start(["sleep", "infinity"]);
  const inside = ["nsenter", `--target=${holder.pid}`, "--mount", "--net"];
  const exec: NomadAgent["exec"] = (argv, options) =>
    runCommand([...inside, ...argv], { ...options, env: { ...node.env, ...options?.env } });
  await waitUntil(async () => (await isApart(holder)) || undefined, { what: "a mount namespace" });
  const nested = ["/run/netns", "/opt/cni/bin", "/opt/cni/config", "/var/lib/cni"];
  await exec([
    "sh",
    "-ec",
    `for each in ${OWN_FOLDERS.join(" ")}; do mount -t tmpfs tmpfs $each; done; mkdir -p ${nested.join(" ")}`,
  ]);

  let running: Background | undefined;
  const start = async () => {
    const argv = [...inside, binary, "agent", "-config", join(directory, "agent.hcl")];
    const agent = await startBackground(argv, { env: node.env });
    running = agent;
    await waitUntil(() => isReady(agent), { what: "Nomad's client to be ready", timeoutMs: 60_000 });
  };
  const isReady = async (agent: Background) => {
    if (agent.exitCode() !== undefined) throw new Error(`Cannot start Nomad: ${agent.stdout().slice(-3_000)}`);
    const { exitCode, stdout } = await exec([binary, "node", "status"], { allowFailure: true });
    return exitCode === 0 && /\bready$/m.test(stdout.trimEnd());
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
      await start();
    },
    reload: async () => running?.kill("SIGHUP"),
    async close() {
      await running?.kill("SIGKILL");
      await endAllIn(holder.pid);
    },
  };
  await start().catch(async (error: unknown) => {
    await agent.close();
    throw error;
  });
  return agent;
}

interface AgentConfig {
  readonly directory: string;
  readonly consul: ConsulAgent;
}

function agentConfig(node: ClientNode, { directory, consul }: AgentConfig): string {
  const identity = `{\n aud = ["consul.io"]\n ttl = "1h"\n }`;
  return `
    name      = "${node.name}"
    data_dir  = "${directory}/data"
    bind_addr = "127.0.0.1"
    # Where it says what it checks.
    log_level = "TRACE"
    advertise {
      http = "127.0.0.1"
      rpc  = "127.0.0.1"
      serf = "127.0.0.1"
    }
    plugin "raw_exec" {
      config {
        enabled = true
      }
    }
    plugin "docker" {
      config {
        volumes {
          enabled = true
        }
        allow_caps = ["net_admin", "net_raw", "syslog"]
      }
    }
    server {
      enabled          = true
      bootstrap_expect = 1
    }
    client {
      enabled           = true
      network_interface = "uplink"
      cni_path          = "/opt/cni/bin"
      cni_config_dir    = "/opt/cni/config"
      options = {
        # There is nobody who would answer.
        "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
      }
    }
    consul {
      address = "127.0.0.1:8500"
      token   = "${consul.token ?? ""}"
      service_identity ${identity}
      task_identity ${identity}
    }
  `;
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
