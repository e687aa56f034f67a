import { createSocket } from "node:dgram";
import { createConnection } from "node:net";
import { monotonicMs } from "../wait.ts";
import type { FlowOptions, FlowReply, FlowState } from "./messages.ts";

export interface OpenFlow {
  state(): FlowState;
  close(): FlowState;
}

interface Pipe {
  send(message: Buffer): void;
  close(): void;
}

/** Each message is its own number, and comes back as it was sent. */
const messageBytes = 8;

/** Sends a numbered message every `everyMs`, on one socket, until closed, and notes when each comes back. */
export function openFlow(options: FlowOptions): OpenFlow {
  const sentAtMs: number[] = [];
  const replies: FlowReply[] = [];
  let ended: string | undefined;
  const pipe = (options.protocol === "tcp" ? openTcp : openUdp)(options, {
    onMessage(message) {
      const sequence = message.readDoubleBE();
      const sentAt = sentAtMs[sequence];
      if (sentAt !== undefined) replies.push({ sequence, sentAtMs: sentAt, repliedAtMs: monotonicMs() });
    },
    onEnd(reason) {
      ended ??= reason;
      clearInterval(timer);
    },
  });
  const timer = setInterval(() => {
    const message = Buffer.alloc(messageBytes);
    message.writeDoubleBE(sentAtMs.push(monotonicMs()) - 1);
    pipe.send(message);
  }, options.everyMs);
  const state = () => ({ sent: sentAtMs.length, replies, ...(ended !== undefined && { ended }) });
  return {
    state,
    close() {
      clearInterval(timer);
      pipe.close();
      return state();
    },
  };
}

interface PipeEvents {
  onMessage(message: Buffer): void;
  onEnd(reason: string): void;
}

function openTcp({ address, port, from }: FlowOptions, events: PipeEvents): Pipe {
  const socket = createConnection({
    host: address,
    port,
    noDelay: true,
    ...(from !== undefined && { localAddress: from }),
  });
  let pending = Buffer.alloc(0);
  socket.on("data", (data) => {
    pending = Buffer.concat([pending, data]);
    for (; pending.length >= messageBytes; pending = pending.subarray(messageBytes)) events.onMessage(pending);
  });
  socket.on("error", (error) => events.onEnd(errorName(error)));
  socket.on("close", () => events.onEnd("closed by peer"));
  return { send: (message) => socket.write(message), close: () => socket.resetAndDestroy() };
}

/** ICMP errors (a REJECT) do not end it: it goes on sending, as its peer may come back. */
function openUdp({ address, port, from }: FlowOptions, events: PipeEvents): Pipe {
  const socket = createSocket({
    type: address.includes(":") ? "udp6" : "udp4",
    lookup: (host, _options, callback) => callback(null, host, address.includes(":") ? 6 : 4),
  });
  socket.on("message", (message) => events.onMessage(message));
  socket.on("error", (error) => events.onEnd(errorName(error)));
  if (from !== undefined) socket.bind({ address: from });
  return { send: (message) => socket.send(message, port, address, () => {}), close: () => socket.close() };
}

function errorName(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}
