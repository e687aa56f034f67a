import { startAgent } from "./traffic/agent-process.ts";
import type { Endpoint } from "./traffic/endpoint.ts";
import type { SinkState } from "./traffic/messages.ts";

export interface FloodRequest {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** One of the receiver's addresses; its family is the flood's. */
  readonly address: string;
  /** A UDP port that nothing else listens on. */
  readonly port: number;
  /** Default 10,000. */
  readonly packetsPerSecond?: number;
  /** Source address; must be one of the sender's own. */
  readonly source?: string;
}

export interface Flood {
  /** What got through so far; `receivedSentAfter` counts what was sent after the given time (`monotonicMs`). */
  passed(options?: { readonly sentAfterMs?: number }): Promise<SinkState>;
  /** Ends the flood, waits 50 ms for packets under way, and reports. */
  stop(): Promise<FloodReport>;
}

export interface FloodReport extends SinkState {
  readonly sent: number;
  readonly durationMs: number;
  /** The rate that was really sent at. */
  readonly packetsPerSecond: number;
}

/**
 * Sends UDP packets at a rate and counts each one that arrives. Both ends have a process of their own, so that other
 * traffic in the same namespaces is not slowed down.
 */
export async function startFlood({ from, to, address, port, source, ...options }: FloodRequest): Promise<Flood> {
  const sender = startAgent(from.namespace);
  const receiver = startAgent(to.namespace);
  const end = () => Promise.all([sender.close(), receiver.close()]);
  const passed: Flood["passed"] = ({ sentAfterMs = 0 } = {}) => receiver.ask({ kind: "read-sink", sentAfterMs });
  try {
    await receiver.ask({ kind: "start-sink", address, port });
    const { packetsPerSecond = 10_000 } = options;
    await sender.ask({
      kind: "start-flood",
      address,
      port,
      packetsPerSecond,
      ...(source !== undefined && { from: source }),
    });
  } catch (error) {
    await end();
    throw error;
  }
  return {
    passed,
    async stop() {
      const { sent, failed, durationMs } = await sender.ask({ kind: "stop-flood" });
      await new Promise((resolve) => setTimeout(resolve, 50));
      const sink = await passed();
      await end();
      const left = sent - failed;
      return { ...sink, sent: left, durationMs, packetsPerSecond: (left * 1000) / durationMs };
    },
  };
}
