import type { ConsulAgent } from "../support/consul-agent.ts";
import type { Destination, Endpoint, Flow } from "../support/traffic/endpoint.ts";
import { monotonicMs, waitUntil } from "../support/wait.ts";

/** When a command that changes KV was started, and when KV took it: milliseconds of CLOCK_MONOTONIC. */
export interface KvChange {
  readonly startedAtMs: number;
  readonly acceptedAtMs: number;
}

/** Runs a command that changes KV, and has KV itself tell, by a blocking query, when that came in. */
export async function timeKvChange(run: () => Promise<unknown>, consul: ConsulAgent): Promise<KvChange> {
  const path = "/v1/kv/outbound/?recurse";
  const { headers } = await consul.request({ path });
  const before = String(headers["x-consul-index"]);
  const change = consul.request({ path: `${path}&index=${before}&wait=8s` }).then((response) => {
    if (String(response.headers["x-consul-index"]) === before) throw new Error("Cannot see a change in Consul KV");
    return monotonicMs();
  });
  const startedAtMs = monotonicMs();
  const [acceptedAtMs] = await Promise.all([change, run()]);
  return { startedAtMs, acceptedAtMs };
}

/** Tries a new TCP connection every 10 ms until one is answered, and returns when that was. */
export function firstConnection(from: Endpoint, destination: Destination): Promise<number> {
  const attempt = async () => (await from.canReach({ ...destination, timeoutMs: 5 })) && monotonicMs();
  return waitUntil(attempt, { what: `a connection to ${destination.address}`, timeoutMs: 10_000 });
}

/** When the last packet came back on a flow that is being cut; throws where it is not. */
export async function lastPacket(flow: Flow): Promise<number> {
  const last = await flow.lastReplyBeforeCut({ silenceMs: 300, timeoutMs: 10_000 });
  if (last === null) throw new Error("Cannot tell when the flow was cut: nothing ever came back on it");
  return last.repliedAtMs;
}
