import { once } from "node:events";
import { createServer, request } from "node:http";

/** Stands before a Consul agent and counts what is asked of it. */
export interface CountingProxy {
  /** As CONSUL_HTTP_ADDR takes it. */
  readonly url: string;
  /** Paths of all requests so far, in order. */
  readonly requests: () => readonly string[];
  readonly close: () => Promise<void>;
}

/** Listens on one unix socket and passes everything on to another. */
export async function startCountingProxy(options: {
  readonly socketPath: string;
  readonly consulSocketPath: string;
}): Promise<CountingProxy> {
  const paths: string[] = [];
  const server = createServer((incoming, response) => {
    paths.push(incoming.url ?? "");
    const { method, url, headers } = incoming;
    const asked = { socketPath: options.consulSocketPath, method, path: url, headers, agent: false };
    const outgoing = request(asked, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    response.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  // A blocking query takes a minute.
  server.requestTimeout = 0;
  server.listen(options.socketPath);
  await once(server, "listening");
  return {
    url: `unix://${options.socketPath}`,
    requests: () => paths,
    async close() {
      server.closeAllConnections();
      await once(server.close(), "close");
    },
  };
}
