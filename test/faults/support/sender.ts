/**
 * Runs inside a container's network namespace, sends on every stream of its argument at once, and prints what it sent
 * and what was answered, in batches. Ends with its stdin.
 */
import { createSocket, type Socket } from "node:dgram";
import { createConnection } from "node:net";
import { parseOwnJson } from "../../support/json.ts";
import { monotonicMs } from "../../support/wait.ts";
import type { Stream, StreamEvent } from "./stream.ts";

const FLUSH_MS = 25;
/** How long a socket waits. For TCP less than a second: its second SYN would be sent at another time than it says. */
const UDP_PATIENCE_MS = 2_000;
const TCP_PATIENCE_MS = 700;
const REOPEN_MS = 200;
/** What may wait in a connection that is cut: enough to go on sending, and never too much to hold. */
const MOST_BUFFERED_BYTES = 16_384;
const MESSAGE_BYTES = 8;

let events: StreamEvent[] = [];

parseOwnJson<readonly Stream[]>(process.argv[2] ?? "[]").forEach(start);
setInterval(flush, FLUSH_MS);
process.stdin.resume().on("end", () => process.exit(0));

function flush(): void {
  if (events.length === 0) return;
  process.stdout.write(`${JSON.stringify(events)}\n`);
  events = [];
}

function start(stream: Stream, position: number): void {
  const { protocol, kind, everyMs } = stream;
  const note: Note = {
    sent: (sequence) => events.push(["s", position, sequence, monotonicMs()]),
    answered: (sequence) => events.push(["a", position, sequence, monotonicMs()]),
  };
  const attempt =
    protocol === "tcp"
      ? kind === "new"
        ? connect(stream, note)
        : talk(stream, note)
      : kind === "new"
        ? ask(stream, note)
        : chat(stream, note);
  let sequence = 0;
  setInterval(() => {
    if (attempt(sequence)) sequence++;
  }, everyMs);
}

interface Note {
  readonly sent: (sequence: number) => void;
  readonly answered: (sequence: number) => void;
}

/** Makes one attempt; false where it could not be made. */
type Attempt = (sequence: number) => boolean;

function connect({ address, port }: Stream, note: Note): Attempt {
  return (sequence) => {
    note.sent(sequence);
    const socket = createConnection({ host: address, port });
    // A reset of a socket that is not connected yet waits until it is, for minutes.
    const patience = setTimeout(() => afterPolls(() => socket.destroy()), TCP_PATIENCE_MS);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => clearTimeout(patience));
    socket.on("connect", () => {
      note.answered(sequence);
      socket.resetAndDestroy();
    });
    return true;
  };
}

function talk({ address, port }: Stream, note: Note): Attempt {
  let socket = open();
  function open() {
    const connection = createConnection({ host: address, port, noDelay: true });
    let pending = Buffer.alloc(0);
    connection.on("error", () => connection.destroy());
    connection.on("close", () => setTimeout(() => (socket = open()), REOPEN_MS));
    connection.on("data", (data) => {
      pending = Buffer.concat([pending, data]);
      for (; pending.length >= MESSAGE_BYTES; pending = pending.subarray(MESSAGE_BYTES)) {
        note.answered(pending.readDoubleBE());
      }
    });
    return connection;
  }
  return (sequence) => {
    if (socket.readyState !== "open" || socket.writableLength > MOST_BUFFERED_BYTES) return false;
    note.sent(sequence);
    socket.write(numbered(sequence));
    return true;
  };
}

function ask({ address, port }: Stream, note: Note): Attempt {
  return (sequence) => {
    const socket = socketFor(address, note);
    note.sent(sequence);
    socket.send(numbered(sequence), port, address, () => {});
    setTimeout(() => afterPolls(() => socket.close()), UDP_PATIENCE_MS);
    return true;
  };
}

function chat({ address, port }: Stream, note: Note): Attempt {
  const socket = socketFor(address, note);
  return (sequence) => {
    note.sent(sequence);
    socket.send(numbered(sequence), port, address, () => {});
    return true;
  };
}

/** On a busy machine an answer may be waiting that this process had no time to read. */
function afterPolls(action: () => void): void {
  setImmediate(() => setImmediate(action));
}

/** Unconnected, so that no ICMP error ends it; and without a name lookup for each packet. */
function socketFor(address: string, note: Note): Socket {
  const family = address.includes(":") ? 6 : 4;
  const socket = createSocket({
    type: `udp${family}`,
    lookup: (host, _options, callback) => callback(null, host, family),
  });
  socket.on("message", (message) => note.answered(message.readDoubleBE()));
  socket.on("error", () => {});
  return socket;
}

function numbered(sequence: number): Buffer {
  const message = Buffer.alloc(MESSAGE_BYTES);
  message.writeDoubleBE(sequence);
  return message;
}
