import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { monotonicMs } from "../wait.ts";
import type { FloodOptions, FloodState, SinkOptions, SinkState } from "./messages.ts";

const tickMs = 2;

/** So that a sender that was kept from the processor catches up, and yet never starves its own event loop. */
const mostPacketsATick = 500;

/** Sends datagrams that carry their time of sending, in batches, at a rate. */
export function createFlood() {
  let stopTimer = () => {};
  let state = (): FloodState => ({ sent: 0, durationMs: 0, failed: 0 });
  return {
    async start({ address, port, packetsPerSecond, from }: FloodOptions): Promise<void> {
      const socket = unconnectedSocket(address);
      const listening = once(socket, "listening");
      socket.bind(from === undefined ? {} : { address: from });
      await listening;
      const startedAtMs = monotonicMs();
      let sent = 0;
      let failed = 0;
      const timer = setInterval(() => {
        const nowMs = monotonicMs();
        // One tick ahead, so that the rate asked for is reached at any time, not just after the next tick.
        const due = Math.ceil(((nowMs + tickMs - startedAtMs) * packetsPerSecond) / 1000) - sent;
        const packet = Buffer.alloc(8);
        packet.writeDoubleBE(nowMs);
        for (let i = Math.min(due, mostPacketsATick); i > 0; i--, sent++) {
          socket.send(packet, port, address, (error) => (failed += error ? 1 : 0));
        }
      }, tickMs);
      let stoppedAtMs: number | undefined;
      state = () => ({ sent, failed, durationMs: (stoppedAtMs ?? monotonicMs()) - startedAtMs });
      stopTimer = () => {
        clearInterval(timer);
        stoppedAtMs ??= monotonicMs();
      };
    },
    stop(): FloodState {
      stopTimer();
      return state();
    },
  };
}

/** Counts the datagrams of a flood and answers none. */
export function createSink() {
  const sentAtMs: number[] = [];
  let place: SinkOptions | undefined;
  return {
    async start(options: SinkOptions): Promise<void> {
      place = options;
      const socket = unconnectedSocket(options.address);
      socket.on("message", (packet) => sentAtMs.push(packet.readDoubleBE()));
      const listening = once(socket, "listening");
      socket.bind(options.port, options.address);
      await listening;
    },
    state(sentAfterMs: number): SinkState {
      const firstSentAtMs = sentAtMs[0];
      const lastSentAtMs = sentAtMs.at(-1);
      return {
        received: sentAtMs.length + (place === undefined ? 0 : droppedByKernel(place)),
        receivedSentAfter: sentAtMs.filter((ms) => ms > sentAfterMs).length,
        ...(firstSentAtMs !== undefined && { firstSentAtMs }),
        ...(lastSentAtMs !== undefined && { lastSentAtMs }),
      };
    },
  };
}

/** Unconnected, so that ICMP errors from a REJECT do not make sends fail; and without a name lookup for each packet. */
function unconnectedSocket(address: string): Socket {
  const family = address.includes(":") ? 6 : 4;
  return createSocket({ type: `udp${family}`, lookup: (host, _options, callback) => callback(null, host, family) });
}

/** Datagrams that reached the socket on this port and found its buffer full. */
function droppedByKernel({ address, port }: SinkOptions): number {
  const table = readFileSync(address.includes(":") ? "/proc/net/udp6" : "/proc/net/udp", "utf8");
  const localPort = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(localPort))
    .reduce((sum, fields) => sum + Number(fields.at(-1)), 0);
}
