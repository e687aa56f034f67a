import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type Background, startBackground } from "./background.ts";
import { type ConsulRequest, type ConsulResponse, requestConsul } from "./consul/http.ts";
import { findFreePorts } from "./consul/ports.ts";
import type { JsonObject } from "./json.ts";
import { waitUntil } from "./wait.ts";

export interface ConsulOptions {
  readonly binary: string;
  /** Where it runs; default: the machine's own network. Its unix socket is reached from everywhere. */
  readonly inNamespace?: { readonly namespace: string };
  /** Default 127.0.0.1. */
  readonly listenAddress?: string;
  /** Default 8500 in a namespace, any free port otherwise. */
  readonly httpPort?: number;
  /** Keep KV over a restart. Default false: in memory, and up in 0.3 s instead of 1.5 s. */
  readonly persistent?: boolean;
  /** ACLs with default deny; `token` is then the management token. */
  readonly acl?: boolean;
  /** More of Consul's own configuration. */
  readonly config?: JsonObject;
}

export interface ConsulAgent {
  /** Inside its network: `http://127.0.0.1:8500`. */
  readonly url: string;
  /** From any network namespace: `unix:///…`. */
  readonly unixUrl: string;
  /** With `acl`: the management token. It changes when an agent that is not persistent starts again. */
  readonly token: string | undefined;
  request(options: ConsulRequest): Promise<ConsulResponse>;
  /** A value that is no string is written as JSON. Throws unless Consul takes it. */
  put(key: string, value: string | JsonObject | readonly JsonObject[]): Promise<void>;
  /** The value, or undefined where there is no such key. */
  get(key: string): Promise<string | undefined>;
  delete(key: string, options?: { readonly recurse?: boolean }): Promise<void>;
  /** A token that may do what these ACL rules say: `key_prefix "outbound/" { policy = "read" }`. */
  createToken(rules: string): Promise<string>;
  /** Ends the process and leaves its data. */
  stop(): Promise<void>;
  /** SIGSTOP and SIGCONT too; waits for the end after all others. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same ports; `wipe` removes its data first. */
  start(options?: { readonly wipe?: boolean }): Promise<void>;
  /** `stop`, and its files removed. */
  close(): Promise<void>;
}

/** Starts a Consul server of one, and waits until it takes writes. */
export async function startConsul(options: ConsulOptions): Promise<ConsulAgent> {
  const directory = await mkdtemp(join(tmpdir(), "cni-outbound-consul-"));
  const socket = join(directory, "http.sock");
  const host = options.listenAddress ?? "127.0.0.1";
  const [freePort = 0, server = 0, serf = 0] = await findFreePorts(3);
  const httpPort = options.httpPort ?? (options.inNamespace ? 8500 : freePort);
  const config = {
    performance: { raft_multiplier: 1 },
    disable_update_check: true,
    addresses: { http: `${host} unix://${socket}` },
    ports: { http: httpPort, server, serf_lan: serf, serf_wan: -1, dns: -1, grpc: -1 },
    ...(options.acl === true && { acl: { enabled: true, default_policy: "deny" } }),
    ...options.config,
  };
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
  let running: Background | undefined;
  let token: string | undefined;

  const request: ConsulAgent["request"] = (asked) =>
    requestConsul(socket, { ...(token !== undefined && { token }), ...asked });
  const expectOk = async (asked: ConsulRequest) => {
    const response = await request(asked);
    if (response.status === 200) return response.body;
    throw new Error(`Cannot ${asked.method} ${asked.path}: Consul answered ${response.status}, ${response.body}`);
  };
  const kill: ConsulAgent["kill"] = async (signal) => running?.kill(signal);
  const start: ConsulAgent["start"] = async ({ wipe = false } = {}) => {
    await kill("SIGKILL");
    await rm(socket, { force: true });
    if (wipe) await rm(join(directory, "data"), { recursive: true, force: true });
    if (wipe || options.persistent !== true) token = undefined;
    const consul = await startBackground(commandLine(directory, options));
    running = consul;
    await waitUntil(() => isReady(consul, socket), { what: "Consul to have a leader", timeoutMs: 30_000 });
    if (options.acl === true) token ??= await bootstrap(socket);
  };

  const agent: ConsulAgent = {
    url: `http://${host}:${httpPort}`,
    unixUrl: `unix://${socket}`,
    get token() {
      return token;
    },
    request,
    async put(key, value) {
      const body = typeof value === "string" ? value : JSON.stringify(value);
      await expectOk({ method: "PUT", path: `/v1/kv/${encodeURI(key)}`, body });
    },
    async get(key) {
      const { status, body } = await request({ path: `/v1/kv/${encodeURI(key)}?raw` });
      if (status === 404) return undefined;
      if (status !== 200) throw new Error(`Cannot get ${key}: Consul answered ${status}, ${body}`);
      return body;
    },
    async delete(key, { recurse = false } = {}) {
      await expectOk({ method: "DELETE", path: `/v1/kv/${encodeURI(key)}${recurse ? "?recurse" : ""}` });
    },
    async createToken(rules) {
      const name = `test-${Math.random().toString(36).slice(2)}`;
      await expectOk({ method: "PUT", path: "/v1/acl/policy", body: JSON.stringify({ Name: name, Rules: rules }) });
      const body = JSON.stringify({ Policies: [{ Name: name }] });
      return secretId(await expectOk({ method: "PUT", path: "/v1/acl/token", body }));
    },
    stop: () => kill("SIGKILL"),
    kill,
    start,
    async close() {
      await kill("SIGKILL");
      await rm(directory, { recursive: true, force: true });
    },
  };
  await start().catch(async (error: unknown) => {
    await agent.close();
    throw error;
  });
  return agent;
}

function commandLine(directory: string, { binary, inNamespace, persistent }: ConsulOptions): readonly string[] {
  const mode = persistent
    ? ["-server", "-bootstrap-expect=1", "-bind=127.0.0.1", `-data-dir=${join(directory, "data")}`]
    : ["-dev"];
  const argv = [binary, "agent", ...mode, "-node=consul", `-config-file=${join(directory, "config.json")}`];
  return inNamespace ? ["ip", "netns", "exec", inNamespace.namespace, ...argv] : argv;
}

/** A consistent read needs a leader that has caught up; without permission it is refused, but just as ready. */
async function isReady(consul: Background, socket: string): Promise<boolean> {
  if (consul.exitCode() !== undefined) {
    const output = `${consul.stdout()}${consul.stderr()}`.slice(-2_000);
    throw new Error(`Cannot start Consul: it ended with ${consul.exitCode()}\n${output}`);
  }
  if (!existsSync(socket)) return false;
  return requestConsul(socket, { path: "/v1/kv/ready?consistent" }).then(
    ({ status }) => status < 500,
    () => false,
  );
}

/** Works with every Consul version, unlike a token in the configuration, whose key was renamed. */
async function bootstrap(socket: string): Promise<string> {
  const attempt = async () => {
    const { status, body } = await requestConsul(socket, { method: "PUT", path: "/v1/acl/bootstrap" });
    return status === 200 && secretId(body);
  };
  return waitUntil(attempt, { what: "Consul's ACLs to be bootstrapped", timeoutMs: 30_000 });
}

function secretId(body: string): string {
  return z.object({ SecretID: z.string() }).parse(JSON.parse(body)).SecretID;
}
