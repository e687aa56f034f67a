import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What Nomad knows of an allocation. */
export interface FakeAllocation {
  readonly region?: string;
  readonly namespace: string;
  readonly job: string;
  readonly group: string;
}

/** Answers `/v1/allocation/<id>` as Nomad does, on a socket and a port, with a token or without. */
export interface FakeNomad {
  /** By id. */
  readonly allocations: Map<string, FakeAllocation>;
  /** Only who sends it is answered; what is asked without gets Nomad's 403. Undefined: anybody. */
  token: string | undefined;
  /** Answers in its place. */
  answer: ((response: ServerResponse, request: IncomingMessage) => void) | undefined;
  /** The paths that were asked for. */
  readonly asked: readonly string[];
  readonly url: string;
  /** Reached from every network namespace. */
  readonly unixUrl: string;
  /** Of a task: its socket is there, and its token, where somebody writes one. */
  readonly secretsDir: string;
  /** Connections are refused until it starts again. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function startFakeNomad({ tls }: { readonly tls?: ServerOptions } = {}): Promise<FakeNomad> {
  const directory = await mkdtemp(join(tmpdir(), "outbound-nomad-"));
  const socket = join(directory, "api.sock");
  const asked: string[] = [];
  let servers: readonly Server[] = [];
  let port = 0;
  const fake: FakeNomad = {
    allocations: new Map(),
    token: undefined,
    answer: undefined,
    asked,
    get url() {
      return `${tls ? "https" : "http"}://127.0.0.1:${port}`;
    },
    unixUrl: `unix://${socket}`,
    secretsDir: directory,
    async stop() {
      await Promise.all(servers.map(close));
      servers = [];
    },
    async start() {
      const byPort = tls ? createTlsServer(tls, respond) : createServer(respond);
      const bySocket = createServer(respond);
      servers = [byPort, bySocket];
      await new Promise<void>((resolve) => byPort.listen(port, "127.0.0.1", resolve));
      await new Promise<void>((resolve) => bySocket.listen(socket, resolve));
      const address = byPort.address();
      if (typeof address === "object" && address) port = address.port;
    },
    async close() {
      await fake.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await fake.start();
  return fake;

  function respond(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "";
    asked.push(path);
    if (fake.answer) return fake.answer(response, request);
    if (fake.token !== undefined && request.headers["x-nomad-token"] !== fake.token) {
      return void response.writeHead(403).end("Permission denied");
    }
    const id = /^\/v1\/allocation\/([^/?]+)$/.exec(path)?.[1] ?? "";
    const allocation = fake.allocations.get(id);
    if (!allocation) return void response.writeHead(404).end("alloc not found");
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(toJson(id, allocation)));
  }
}

/** As much of it as anybody here reads, in the shape that Nomad gives it. */
function toJson(id: string, { region = "global", namespace, job, group }: FakeAllocation): object {
  return {
    ID: id,
    Namespace: namespace,
    NodeName: "n1",
    JobID: job,
    TaskGroup: group,
    ClientStatus: "running",
    Job: { ID: job, Region: region, Namespace: namespace, TaskGroups: [{ Name: group }] },
  };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
