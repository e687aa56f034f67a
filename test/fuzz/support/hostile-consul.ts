import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import * as fc from "fast-check";
import { damagedJson } from "./damaged-json.ts";
import { damagedText } from "./damaged-text.ts";
import { hostileTexts } from "./hostile-text.ts";

/** What a server sends on one connection, whatever it is asked. */
export interface HostileAnswer {
  /** Before the body: status line and headers, as bytes. */
  readonly head: string;
  readonly body: string;
  /** How the body goes out. */
  readonly delivery: "whole" | "chunked" | "bad chunks" | "trickle" | "endless" | "endless headers" | "silent";
  /** What is done to the connection afterwards. */
  readonly end: "close" | "keep" | "reset";
}

/** Several read at once, each from a connection of its own. */
export const AT_ONCE = 60;

export function hostileAnswers(): fc.Arbitrary<readonly HostileAnswer[]> {
  return fc.array(hostileAnswer(), { minLength: AT_ONCE, maxLength: AT_ONCE });
}

/** Whether nobody waits for more afterwards. */
export function isEnding({ delivery, end }: HostileAnswer): boolean {
  return end !== "keep" && (delivery === "whole" || delivery === "chunked" || delivery === "bad chunks");
}

export function endingAnswers(count: number): fc.Arbitrary<readonly HostileAnswer[]> {
  return fc.array(hostileAnswer().filter(isEnding), { minLength: count, maxLength: count });
}

function hostileAnswer(): fc.Arbitrary<HostileAnswer> {
  return fc
    .record({
      head: heads(),
      body: bodies(),
      delivery: fc.oneof(
        { weight: 20, arbitrary: fc.constantFrom("whole" as const, "chunked" as const) },
        { weight: 2, arbitrary: fc.constant("bad chunks" as const) },
        { weight: 1, arbitrary: fc.constantFrom("trickle", "endless", "endless headers", "silent") },
      ),
      end: fc.constantFrom("close", "close", "close", "keep", "reset"),
      length: fc.constantFrom("right", "right", "right", "short", "long", "none", "-1", "99999999999999999999", "0x10"),
    })
    .map(({ head, body, delivery, end, length }) => ({
      head: `${head}${framing(delivery, { body, length })}\r\n`,
      body,
      delivery,
      end,
    }));
}

function framing(delivery: string, { body, length }: { readonly body: string; readonly length: string }): string {
  if (delivery === "chunked" || delivery === "bad chunks") return "Transfer-Encoding: chunked\r\n";
  const bytes = Buffer.byteLength(body);
  const lengths: Readonly<Record<string, string>> = {
    right: `${bytes}`,
    short: `${Math.floor(bytes / 2)}`,
    long: `${bytes + 10}`,
  };
  return length === "none" ? "" : `Content-Length: ${lengths[length] ?? length}\r\n`;
}

function heads(): fc.Arbitrary<string> {
  const status = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom("200 OK", "200 OK", "404 Not Found") },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        "500 No cluster leader",
        "403 Forbidden",
        "429 Slow down",
        "301 Moved",
        "204 No",
        "304 x",
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom("100 Continue", "101 Switching Protocols", "999 x", "0 x", "abc x") },
  );
  const version = fc.oneof(
    { weight: 8, arbitrary: fc.constant("HTTP/1.1") },
    { weight: 1, arbitrary: fc.constantFrom("HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "ICY", "") },
  );
  const index = fc.constantFrom(
    "12",
    "12",
    "12",
    "0",
    "-1",
    "18446744073709551616",
    "1e3",
    "",
    "12\r\nX-Consul-Index: 13",
  );
  const others = fc.array(
    fc.oneof(
      fc.constantFrom(
        "X-Consul-Results-Filtered-By-ACLs: true",
        "Content-Encoding: gzip",
        "Content-Encoding: br",
        "Connection: close",
        "Location: http://127.0.0.1:1/",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Transfer-Encoding: chunked",
        " folded",
      ),
      hostileTexts().map((text) => `X-Other: ${text}`),
      fc.constantFrom(10, 2000).map((times) => `X-${"y".repeat(30)}: ${"z".repeat(100)}\r\n`.repeat(times).trimEnd()),
    ),
    { maxLength: 2 },
  );
  const head = fc
    .tuple(version, status, index, others)
    .map(([v, s, i, lines]) => [`${v} ${s}`, `X-Consul-Index: ${i}`, ...lines, ""].join("\r\n"));
  return fc.oneof({ weight: 8, arbitrary: head }, { weight: 1, arbitrary: damagedText(head) });
}

const DENY = Buffer.from('{"action":"DROP"}').toString("base64");

function bodies(): fc.Arbitrary<string> {
  const mostly = (usual: unknown, ...others: readonly unknown[]) =>
    fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
  const entry = fc.record({
    Key: mostly("outbound/rules/global/a", "outbound/rules/", "elsewhere/a", "OUTBOUND/rules/a", 7),
    Value: mostly(DENY, "e30=", null, "", "!!!", "e30", "AAAA\n", 7, {}),
    ModifyIndex: mostly(1, 0, -1, 1.5, 2 ** 53, 1e300, "7", null),
    Flags: fc.constant(0),
  });
  const good = fc.constant([{ Key: "outbound/rules/global/a", Value: DENY, ModifyIndex: 7 }]);
  return fc.oneof(
    { weight: 4, arbitrary: good.map((each) => JSON.stringify(each)) },
    { weight: 4, arbitrary: damagedJson(good) },
    { weight: 4, arbitrary: fc.array(entry, { maxLength: 3 }).map((each) => JSON.stringify(each)) },
    { weight: 2, arbitrary: damagedText(good.map((each) => JSON.stringify(each))) },
    { weight: 1, arbitrary: fc.constantFrom("", "null", "[]", "{}", "[".repeat(50_000), `"${"x".repeat(99_000)}"`) },
  );
}

/** A server that answers whoever asks below `/<number>` with that one of its answers. */
export interface HostileConsul {
  readonly url: string;
  readonly serve: (answers: readonly HostileAnswer[]) => void;
  readonly close: () => Promise<void>;
}

export async function startHostileConsul(): Promise<HostileConsul> {
  let current: readonly HostileAnswer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.once("data", (request: Buffer) => {
      const number = /^[A-Z]+ \/(\d+)\//.exec(request.toString("latin1"))?.[1];
      const answer = current[Number(number)];
      if (answer) send(socket, answer);
      else socket.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    serve: (answers) => (current = answers),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Cannot listen: the server has no port");
  return address.port;
}

const TRICKLE_MS = 20;

function send(socket: Socket, { head, body, delivery, end }: HostileAnswer): void {
  switch (delivery) {
    case "whole":
      return finish(socket, head + body, end);
    case "chunked":
      return finish(socket, `${head}${chunk(body)}0\r\n\r\n`, end);
    case "bad chunks":
      return finish(socket, `${head}${chunk(body)}fffffffffffffffff\r\n${body}\r\n-1\r\n;\r\n`, end);
    case "trickle":
      socket.write(head);
      return every(socket, " ");
    case "endless":
      socket.write(head);
      return flood(socket, " ".repeat(50_000));
    case "endless headers":
      socket.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(10));
      return every(socket, "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n");
    case "silent":
      return;
  }
}

function chunk(body: string): string {
  return body === "" ? "" : `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n`;
}

function finish(socket: Socket, text: string, end: HostileAnswer["end"]): void {
  socket.write(text, () => {
    if (end === "close") socket.end();
    if (end === "reset") socket.resetAndDestroy();
  });
}

function every(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), TRICKLE_MS);
  socket.on("close", () => clearInterval(timer));
}

function flood(socket: Socket, text: string): void {
  const more = (): void => {
    if (socket.writable) socket.write(text, more);
  };
  more();
}
