import { createServer, type Server, type ServerResponse } from "node:http";
import type { Metrics } from "./metrics.ts";
import type { WatchState } from "./watch.ts";
import type { PageAnswers } from "./web/answer-page.ts";

/** Who asks slowly or for much is cut off: nobody can hold the watcher's descriptors for longer than this. */
const BOUNDS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const;
const MOST_CONNECTIONS = 100;

/**
 * Serves `/health` (alive), `/ready` (in sync), `/metrics` and pages for people; read-only, with no secret in any answer:
 * who gets here by another name, as by DNS rebinding in a browser, can do nothing, and sees no page.
 */
export function createListener({ state, metrics, pages }: ListenerPorts): Server {
  const server = createServer(BOUNDS, (request, response) => {
    // Not parsed as a URL, which throws for some of what a request line may hold.
    const [path] = (request.url ?? "").split("?");
    if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, { error: "read-only" });
    if (path === "/health") return answer(response, 200, { status: "alive" });
    if (path === "/ready") return answer(response, state().isInSync ? 200 : 503, describe(state()));
    if (path !== "/metrics") {
      if (pages.answer(request, response)) return;
      return answer(response, 404, { error: "expected /, /health, /ready or /metrics" });
    }
    void answerMetrics(response, { state, metrics });
  });
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}

async function answerMetrics(
  response: ServerResponse,
  { state, metrics }: Omit<ListenerPorts, "pages">,
): Promise<void> {
  const text = await metrics.render(state());
  response.writeHead(200, { "content-type": metrics.contentType }).end(text);
}

export interface ListenerPorts {
  readonly state: () => WatchState;
  readonly metrics: Metrics;
  readonly pages: PageAnswers;
}

function describe({ isInSync, problem, prefixes, attachments, unidentified }: WatchState): object {
  return {
    inSync: isInSync,
    ...(problem !== undefined && { problem }),
    attachments: attachments.length,
    ...(unidentified.length > 0 && { withoutIdentity: unidentified.length }),
    prefixes: prefixes.map(({ prefix, status, lastFailure, lastSuccessMs, consecutiveFailures }) => ({
      prefix,
      status,
      consecutiveFailures,
      ...(lastSuccessMs !== undefined && { lastSuccess: new Date(lastSuccessMs).toISOString() }),
      ...(consecutiveFailures > 0 && { problem: lastFailure?.message }),
    })),
  };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
