import { type Agent, request } from "node:http";

export interface ConsulRequest {
  readonly method?: "GET" | "PUT" | "DELETE";
  /** With its query: `/v1/kv/a?recurse`. */
  readonly path: string;
  readonly body?: string | Uint8Array;
  readonly token?: string;
  /** Default: a connection of its own. */
  readonly agent?: Agent;
}

export interface ConsulResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

/** One request over an agent's unix socket, which can be reached from every network namespace. Bound: 10 s. */
export function requestConsul(socketPath: string, options: ConsulRequest): Promise<ConsulResponse> {
  const { method = "GET", path, body = "", token, agent = false } = options;
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { "X-Consul-Token": token };
    const outgoing = request({ socketPath, method, path, headers, agent, timeout: 10_000 }, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (chunk: string) => (text += chunk));
      incoming.on("error", reject);
      incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }));
    });
    outgoing.on("timeout", () =>
      outgoing.destroy(new Error(`Cannot ${method} ${path}: Consul did not answer in 10 s`)),
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
