import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GenericContainer } from "testcontainers";
import { ensureConsul } from "../../setup/consul.ts";
import { startBackground } from "../../support/background.ts";
import { runCommand } from "../../support/command.ts";
import type { ConsulAgent } from "../../support/consul-agent.ts";
import { requestConsul } from "../../support/consul/http.ts";
import { findFreePorts } from "../../support/consul/ports.ts";
import { waitUntil } from "../../support/wait.ts";

/** One server of three. */
export interface ClusterMember {
  /** For CONSUL_HTTP_ADDR, from any network namespace. */
  readonly unixUrl: string;
  isLeader(): Promise<boolean>;
  /** SIGKILL; its data stays. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface ConsulCluster {
  readonly members: readonly ClusterMember[];
  /** The one that leads, and those that follow it. Waits until there is one. */
  roles(): Promise<{ readonly leader: ClusterMember; readonly followers: readonly ClusterMember[] }>;
  /** Writes through whichever member can: for the test itself. */
  readonly agent: Pick<ConsulAgent, "put" | "delete" | "request">;
  close(): Promise<void>;
}

/** Starts three servers: containers where CONSUL_IMAGE names an image, processes of the machine otherwise. */
export async function startConsulCluster(): Promise<ConsulCluster> {
  const directory = await mkdtemp(join(tmpdir(), "cni-outbound-cluster-"));
  const ports = await findFreePorts(9);
  const addresses = [0, 3, 6].map((first) => `127.0.0.1:${ports[first + 1]}`);
  const names = ["s1", "s2", "s3"];
  const servers = await Promise.all(
    names.map(async (name, n) => {
      const home = join(directory, name);
      await mkdir(home);
      const [http = 0, serf = 0, server = 0] = ports.slice(n * 3, n * 3 + 3);
      const config = {
        node_name: name,
        data_dir: join(home, "data"),
        server: true,
        bootstrap_expect: names.length,
        bind_addr: "127.0.0.1",
        retry_join: addresses,
        retry_interval: "1s",
        performance: { raft_multiplier: 1 },
        disable_update_check: true,
        addresses: { http: `unix://${join(home, "http.sock")}` },
        ports: { http, server, serf_lan: serf, serf_wan: -1, dns: -1, grpc: -1 },
      };
      await writeFile(join(home, "config.json"), JSON.stringify(config));
      return createMember(home);
    }),
  );
  const close = async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await rm(directory, { recursive: true, force: true });
  };
  const roles: ConsulCluster["roles"] = async () => {
    const find = async () => {
      const leads = await Promise.all(servers.map((server) => server.isLeader()));
      const leader = servers.find((_, n) => leads[n] === true);
      return leader && { leader, followers: servers.filter((server) => server !== leader) };
    };
    return waitUntil(find, { what: "the cluster to have a leader", timeoutMs: 60_000 });
  };
  try {
    await Promise.all(servers.map((server) => server.start()));
    await roles();
  } catch (error) {
    await close();
    throw error;
  }
  const request: ConsulAgent["request"] = async (asked) => {
    const attempt = async () => {
      for (const { socket } of servers) {
        const answer = await requestConsul(socket, asked).catch(() => undefined);
        if (answer && answer.status < 500) return answer;
      }
      return false;
    };
    return waitUntil(attempt, { what: "any server to answer", timeoutMs: 30_000 });
  };
  const expectOk = async (method: "PUT" | "DELETE", key: string, body = "") => {
    const answer = await request({ method, path: `/v1/kv/${encodeURI(key)}`, body });
    if (answer.status !== 200) throw new Error(`Cannot write ${key}: Consul answered ${answer.status}, ${answer.body}`);
  };
  return {
    members: servers,
    roles,
    agent: {
      request,
      put: (key, value) => expectOk("PUT", key, typeof value === "string" ? value : JSON.stringify(value)),
      delete: (key) => expectOk("DELETE", key),
    },
    close,
  };
}

interface Server extends ClusterMember {
  readonly socket: string;
}

function createMember(home: string): Server {
  const socket = join(home, "http.sock");
  const image = process.env["CONSUL_IMAGE"] ?? "";
  const program = image === "" ? createProgram(home) : createInContainer(home, image);
  return {
    socket,
    unixUrl: `unix://${socket}`,
    async isLeader() {
      const answer = await requestConsul(socket, { path: "/v1/agent/self" }).catch(() => undefined);
      return answer?.status === 200 && /"leader":\s*"true"/.test(answer.body);
    },
    kill: () => program.kill(),
    async start() {
      await rm(socket, { force: true });
      await program.start();
    },
  };
}

interface Program {
  start(): Promise<void>;
  kill(): Promise<void>;
}

function createProgram(home: string): Program {
  let kill = async () => {};
  return {
    async start() {
      const consul = await startBackground([
        await ensureConsul(),
        "agent",
        `-config-file=${join(home, "config.json")}`,
      ]);
      kill = () => consul.kill("SIGKILL");
    },
    kill: () => kill(),
  };
}

/** On the machine's own network; its socket and its data are in a folder that both sides have. */
function createInContainer(home: string, image: string): Program {
  let kill = async () => {};
  return {
    async start() {
      const container = await new GenericContainer(image)
        .withNetworkMode("host")
        .withBindMounts([{ source: home, target: home, mode: "rw" }])
        .withCommand(["agent", `-config-file=${join(home, "config.json")}`])
        .start();
      kill = async () => {
        kill = async () => {};
        await runCommand(["docker", "kill", container.getId()], { allowFailure: true });
        await container.stop();
      };
    },
    kill: () => kill(),
  };
}
