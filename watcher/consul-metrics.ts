import { Counter, Gauge, type Registry } from "prom-client";
import type { Consul } from "../lib/host/consul.ts";
import { ConsulError, type ConsulErrorKind } from "../lib/host/consul-error.ts";
import type { ConsulSessions } from "../lib/host/consul-session.ts";
import type { PrefixState } from "./prefix-state.ts";

/** Counts what is asked of Consul, and tells how it stands with each prefix. */
export interface ConsulMetrics {
  readonly countRules: (consul: Consul) => Consul;
  readonly countStatus: (sessions: ConsulSessions) => ConsulSessions;
  readonly show: (prefixes: readonly PrefixState[]) => void;
}

/** What a request is for: to read rules, or to write this node's status. */
type Purpose = "rules" | "status";

const PURPOSES: readonly Purpose[] = ["rules", "status"];
const KINDS: Readonly<Record<ConsulErrorKind | "internal", true>> = {
  unreachable: true,
  timeout: true,
  forbidden: true,
  "no-leader": true,
  "rate-limited": true,
  server: true,
  malformed: true,
  internal: true,
};

export function createConsulMetrics(registry: Registry): ConsulMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: "outbound_consul_requests_total",
    help: "Requests to Consul that have ended; one that waits for a change takes up to a minute",
    labelNames: ["purpose"],
    registers,
  });
  const failures = new Counter({
    name: "outbound_consul_request_failures_total",
    help: "Requests to Consul that failed",
    labelNames: ["purpose", "kind"],
    registers,
  });
  for (const purpose of PURPOSES) {
    requests.inc({ purpose }, 0);
    for (const kind of Object.keys(KINDS)) failures.inc({ purpose, kind }, 0);
  }
  const consecutive = new Gauge({
    name: "outbound_consul_consecutive_failures",
    help: "Failed queries in a row, of the prefix that has the most",
    registers,
  });
  const index = new Gauge({
    name: "outbound_snapshot_index",
    help: "X-Consul-Index of the last answer that was believed",
    labelNames: ["prefix"],
    registers,
  });
  const time = new Gauge({
    name: "outbound_snapshot_timestamp_seconds",
    help: "When Consul last gave an answer that was believed, in seconds since the epoch; up to a minute ago at rest",
    labelNames: ["prefix"],
    registers,
  });

  return {
    countRules: (consul) => ({
      readPrefix: (options) => count("rules", options, () => consul.readPrefix(options)),
      checkReadable: (options) => count("rules", options, () => consul.checkReadable(options)),
      close: () => consul.close(),
    }),
    countStatus: (sessions) => ({
      create: (options) => count("status", options, () => sessions.create(options)),
      renew: (options) => count("status", options, () => sessions.renew(options)),
      destroy: (options) => count("status", options, () => sessions.destroy(options)),
      acquire: (options) => count("status", options, () => sessions.acquire(options)),
      read: (options) => count("status", options, () => sessions.read(options)),
      close: () => sessions.close(),
    }),
    show(prefixes) {
      consecutive.set(Math.max(0, ...prefixes.map(({ consecutiveFailures }) => consecutiveFailures)));
      // Prefixes go with the last attachment that needs them.
      index.reset();
      time.reset();
      for (const { prefix, index: read, lastSuccessMs } of prefixes) {
        if (read !== undefined) index.set({ prefix }, Number(read));
        if (lastSuccessMs !== undefined) time.set({ prefix }, lastSuccessMs / 1000);
      }
    },
  };

  async function count<T>(purpose: Purpose, { signal }: Abortable, request: () => Promise<T>): Promise<T> {
    try {
      const answer = await request();
      requests.inc({ purpose });
      return answer;
    } catch (error) {
      // What we gave up ourselves has not failed.
      if (!signal.aborted) {
        requests.inc({ purpose });
        failures.inc({ purpose, kind: error instanceof ConsulError ? error.kind : "internal" });
      }
      throw error;
    }
  }
}

interface Abortable {
  readonly signal: AbortSignal;
}
