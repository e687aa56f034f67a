import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";

/** Servers that hold up, fill up or mislead whoever asks them; none did so to us, and none shall. */
export const HOSTILE_SERVERS: Readonly<Record<string, (socket: Socket) => void>> = {
  "a body that unpacks to a gigabyte": (socket) => {
    // Packed parts in a row unpack to their contents in a row (RFC 1952, section 2.2).
    const bomb = Buffer.concat(Array.from({ length: 64 }, () => part));
    socket.write(`${OK}Content-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`);
    socket.write(bomb);
  },
  "a body without end": (socket) => floodAfter(socket, `${OK}\r\n`, " ".repeat(65_536)),
  "a chunk's extension without end": (socket) => floodAfter(socket, `${OK}${CHUNKED}\r\n1;`, "x".repeat(65_536)),
  "headers without end": (socket) => floodAfter(socket, OK, `X-A: ${"b".repeat(1000)}\r\n`.repeat(60)),
  "interim answers without end": (socket) =>
    floodAfter(socket, "", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n".repeat(100)),
  silence: () => {},
  "a body that trickles": (socket) => trickleAfter(socket, `${OK}\r\n`, " "),
  "headers that trickle": (socket) => trickleAfter(socket, OK, "X: y\r\n"),
  "another place": (socket) => void socket.write("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n\r\n"),
  "another protocol": (socket) =>
    void socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
  "two lengths": (socket) => void socket.write(`${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\n[] `),
  "a length and chunks": (socket) => void socket.write(`${OK}Content-Length: 2\r\n${CHUNKED}\r\n2\r\n[]\r\n0\r\n\r\n`),
  "less than it promised": (socket) => void socket.end(`${OK}Content-Length: 200\r\n\r\n[]`),
  "a chunk and no more": (socket) => void socket.end(`${OK}${CHUNKED}\r\n2\r\n[]\r\n`),
};

const part = gzipSync(Buffer.alloc(16 * 1024 ** 2));
const OK = "HTTP/1.1 200 OK\r\nX-Consul-Index: 1\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";

function floodAfter(socket: Socket, start: string, text: string): void {
  socket.write(start);
  const more = (): void => {
    if (socket.writable) socket.write(text, more);
  };
  more();
}

function trickleAfter(socket: Socket, start: string, text: string): void {
  socket.write(start);
  const timer = setInterval(() => socket.write(text), 20);
  socket.on("close", () => clearInterval(timer));
}
