import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { z } from "zod";

/** How the proxy treats what it is asked, from now on and for the queries that wait already. */
export type Behaviour =
  | { readonly kind: "pass" }
  /** Every answer comes this much later. */
  | { readonly kind: "slow"; readonly delayMs: number }
  /** Answers by itself. */
  | { readonly kind: "answer"; readonly status: number; readonly body: string }
  /** Sends the first half of each answer, then ends the connection. */
  | { readonly kind: "cut" }
  /** Leaves a key out of every answer and says that ACLs hid something, as Consul does since 1.11. */
  | { readonly kind: "hide"; readonly key: string };

/** Stands between a watcher and Consul. */
export interface ConsulProxy {
  /** For CONSUL_HTTP_ADDR, from any network namespace. */
  readonly unixUrl: string;
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
}

interface Pending {
  readonly response: ServerResponse;
  readonly abandon: () => void;
}

export async function startConsulProxy(consulUrl: string): Promise<ConsulProxy> {
  const directory = await mkdtemp(join(tmpdir(), "cni-outbound-proxy-"));
  const path = join(directory, "http.sock");
  const pending = new Set<Pending>();
  let behaviour: Behaviour = { kind: "pass" };
  const server = createServer((asked, response) => {
    const query = { response, abandon: forward(asked, response, { consulUrl, behaviour: () => behaviour }) };
    pending.add(query);
    response.on("close", () => {
      pending.delete(query);
      query.abandon();
    });
    disturb(query, behaviour);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    unixUrl: `unix://${path}`,
    behave(next) {
      behaviour = next;
      for (const query of pending) disturb(query, next);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What does not wait for Consul. */
function disturb({ response, abandon }: Pending, behaviour: Behaviour): void {
  if (behaviour.kind === "answer") {
    abandon();
    response.writeHead(behaviour.status, { "content-type": "text/plain" }).end(behaviour.body);
  } else if (behaviour.kind === "cut") {
    abandon();
    // Plausible as far as it goes: only its length says that it is not whole.
    response.writeHead(200, { "content-type": "application/json", "x-consul-index": "4711", "content-length": "200" });
    response.write('[{"LockIndex":0,"Key":"outbound/rules/', () => response.destroy());
  }
}

interface Upstream {
  readonly consulUrl: string;
  readonly behaviour: () => Behaviour;
}

/** Returns what ends the query at Consul. */
function forward(asked: IncomingMessage, response: ServerResponse, { consulUrl, behaviour }: Upstream): () => void {
  const { method, url, headers } = asked;
  const upstream = request({ socketPath: consulUrl.replace("unix://", ""), method, path: url, headers, agent: false });
  let isAbandoned = false;
  asked.pipe(upstream);
  upstream.on("error", () => isAbandoned || response.destroy());
  upstream.on("response", (answer) => {
    void buffer(answer).then(
      (body) => void setTimeout(() => isAbandoned || pass(answer, body), delayOf(behaviour())),
      () => isAbandoned || response.destroy(),
    );
  });
  function pass(answer: IncomingMessage, whole: Buffer): void {
    const now = behaviour();
    const hidden = now.kind === "hide" ? without(now.key, whole) : undefined;
    const more = hidden ? { "x-consul-results-filtered-by-acls": "true" } : {};
    const body = hidden ?? whole;
    const { "transfer-encoding": _, ...kept } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, { ...kept, ...more, "content-length": body.length }).end(body);
  }
  return () => {
    isAbandoned = true;
    upstream.destroy();
  };
}

function delayOf(behaviour: Behaviour): number {
  return behaviour.kind === "slow" ? behaviour.delayMs : 0;
}

const entriesSchema = z.array(z.looseObject({ Key: z.string() }));

/** The entries without one; undefined where it is not there. */
function without(key: string, body: Buffer): Buffer | undefined {
  if (!body.includes(`"${key}"`)) return undefined;
  const entries = entriesSchema.parse(JSON.parse(body.toString("utf8")));
  return Buffer.from(JSON.stringify(entries.filter((entry) => entry.Key !== key)));
}
