import { createServer, type Server, type ServerResponse } from "node:http";
import type { Metrics } from "./metrics.ts";
import type { WatchState } from "./watch.ts";

/** Serves `/health` (alive), `/ready` (in sync) and `/metrics`; read-only, with no secret in any answer. */
export function createListener({ state, metrics }: ListenerPorts): Server {
  return createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://listener").pathname;
    if (request.method !== "GET" && request.method !== "HEAD") return answer(response, 405, { error: "read-only" });
    if (path === "/health") return answer(response, 200, { status: "alive" });
    if (path === "/ready") return answer(response, state().isInSync ? 200 : 503, describe(state()));
    if (path !== "/metrics") return answer(response, 404, { error: "expected /health, /ready or /metrics" });
    void answerMetrics(response, { state, metrics });
  });
}

async function answerMetrics(response: ServerResponse, { state, metrics }: ListenerPorts): Promise<void> {
  const text = await metrics.render(state());
  response.writeHead(200, { "content-type": metrics.contentType }).end(text);
}

export interface ListenerPorts {
  readonly state: () => WatchState;
  readonly metrics: Metrics;
}

function describe({ isInSync, prefixes, attachments }: WatchState): object {
  return {
    inSync: isInSync,
    attachments: attachments.length,
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
