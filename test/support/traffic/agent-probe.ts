import { createSocket } from "node:dgram";
import { createConnection, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { setImmediate as afterPoll } from "node:timers/promises";
import type { ProbeOptions, ProbeVerdict } from "./messages.ts";

/** One attempt to get through. */
export async function probe(options: ProbeOptions): Promise<ProbeVerdict> {
  const attempt = options.protocol === "tcp" ? connectTcp(options) : pingUdp(options);
  const verdict = await Promise.race([attempt.verdict, timeout(options.timeoutMs)]);
  attempt.end();
  return verdict;
}

interface Attempt {
  readonly verdict: Promise<ProbeVerdict>;
  end(): void;
}

function connectTcp({ address, port, from }: ProbeOptions): Attempt {
  const socket = createConnection({ host: address, port, ...(from !== undefined && { localAddress: from }) });
  const verdict = new Promise<ProbeVerdict>((resolve, reject) => {
    socket.once("connect", () => resolve("open"));
    socket.on("error", (error) => settle(error, resolve, reject));
  });
  return { verdict, end: () => end(socket) };
}

/** A reset leaves no TIME_WAIT behind, so the same addresses and ports can be used again at once. */
function end(socket: Socket): void {
  // One that is not connected yet would go on trying, after DEL too, to have what it can reset.
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

function pingUdp({ address, port, from }: ProbeOptions): Attempt {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  const verdict = new Promise<ProbeVerdict>((resolve, reject) => {
    socket.once("message", () => resolve("open"));
    socket.on("error", (error) => settle(error, resolve, reject));
    // Only a connected socket is told of ICMP errors.
    const connect = () =>
      socket.connect(port, address, () => {
        socket.send("ping", (error) => error && settle(error, resolve, reject));
      });
    if (from === undefined) connect();
    else socket.bind({ address: from }, connect);
  });
  return { verdict, end: () => socket.close() };
}

function settle(error: Error, resolve: (verdict: ProbeVerdict) => void, reject: (error: Error) => void): void {
  const code = "code" in error ? error.code : undefined;
  if (code === "ECONNREFUSED" || code === "ECONNRESET") resolve("refused");
  else if (code === "EHOSTUNREACH" || code === "ENETUNREACH" || code === "EACCES" || code === "EPERM")
    resolve("unreachable");
  else if (code === "ETIMEDOUT") resolve("timeout");
  else reject(error);
}

async function timeout(ms: number): Promise<ProbeVerdict> {
  await sleep(ms);
  // On a busy machine an answer may be waiting that this process had no time to read: look once more.
  await afterPoll();
  await afterPoll();
  return "timeout";
}
