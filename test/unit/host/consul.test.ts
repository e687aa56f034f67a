import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConsulError } from "../../../lib/host/consul-error.ts";
import { parseConsulSettings } from "../../../lib/host/consul-settings.ts";
import { createConsul } from "../../../lib/host/consul.ts";
import type { Consul, PrefixAnswer, ReadPrefixOptions } from "../../../lib/host/consul.ts";

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const token = "5f3c9c8e-secret-token";
const limits = { slackMs: 300, maxBodyBytes: 100_000 };

let server: Server;
let directory: string;
let answer: Answer;
/** What the server was asked last. */
let asked: { readonly url: URL; readonly token: string | string[] | undefined } | undefined;
let opened: Consul[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "outbound-consul-"));
  asked = undefined;
  opened = [];
  answer = respond(200, { body: kv("outbound/rules/global/a", "1") });
  server = createServer((request, response) => {
    asked = { url: new URL(request.url ?? "", "http://consul"), token: request.headers["x-consul-token"] };
    answer(response, request);
  });
});

afterEach(async () => {
  for (const consul of opened) consul.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

async function listen(host = "127.0.0.1"): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return host.includes(":") ? `http://[${host}]:${address.port}` : `http://${host}:${address.port}`;
}

function open(env: Readonly<Record<string, string>>): Consul {
  const consul = createConsul(parseConsulSettings(env), limits);
  opened.push(consul);
  return consul;
}

async function openHere(env: Readonly<Record<string, string>> = {}): Promise<Consul> {
  return open({ CONSUL_HTTP_ADDR: await listen(), ...env });
}

function read(consul: Consul, options: Partial<ReadPrefixOptions> = {}): Promise<PrefixAnswer> {
  const { signal } = new AbortController();
  return consul.readPrefix({
    prefix: "outbound/rules/",
    index: 0n,
    waitSeconds: 55,
    consistent: false,
    signal,
    ...options,
  });
}

async function errorOf(read: Promise<unknown>): Promise<ConsulError> {
  const error: unknown = await read.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof ConsulError)) throw new Error(`expected a ConsulError, got ${inspect(error)}`);
  return error;
}

function respond(status: number, { body = "", headers = {} }: { body?: string; headers?: object } = {}): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", "x-consul-index": "12", ...headers });
    response.end(body);
  };
}

function kv(key: string, value: string | null): string {
  const encoded = value === null ? null : Buffer.from(value).toString("base64");
  return JSON.stringify([{ Key: key, Value: encoded, Flags: 0, CreateIndex: 3, ModifyIndex: 9, LockIndex: 0 }]);
}

test("an answer has the index and the entries with their bytes", async () => {
  const got = await read(await openHere());

  expect(got).toEqual({
    index: 12n,
    entries: [{ key: "outbound/rules/global/a", value: Buffer.from("1"), modifyIndex: 9 }],
    isFiltered: false,
    isEmpty: false,
  });
});

test("a first read does not block, later ones block on the index, and consistency is asked for when wanted", async () => {
  const consul = await openHere();

  await read(consul);
  expect(asked?.url.pathname).toBe("/v1/kv/outbound%2Frules%2F");
  expect(Object.fromEntries(asked?.url.searchParams ?? [])).toEqual({ recurse: "true" });
  await read(consul, { index: 18446744073709551615n, waitSeconds: 52, consistent: true });
  expect(Object.fromEntries(asked?.url.searchParams ?? [])).toEqual({
    recurse: "true",
    index: "18446744073709551615",
    wait: "52s",
    consistent: "1",
  });
});

test("404 without a body is an empty prefix", async () => {
  answer = respond(404);

  expect(await read(await openHere())).toEqual({ index: 12n, entries: [], isFiltered: false, isEmpty: true });
});

test("an empty value is no bytes, and any bytes come through", async () => {
  const consul = await openHere();

  answer = respond(200, { body: kv("outbound/rules/a", null) });
  expect((await read(consul)).entries[0]?.value).toHaveLength(0);
  answer = respond(200, { body: kv("outbound/rules/a", "\u0000é") });
  expect((await read(consul)).entries[0]?.value).toEqual(Buffer.from("\u0000é"));
});

test.each([
  ["true", true],
  ["false", false],
])("filtered by ACLs: %s", async (header, isFiltered) => {
  answer = respond(404, { headers: { "x-consul-results-filtered-by-acls": header } });

  expect((await read(await openHere())).isFiltered).toBe(isFiltered);
});

test.each([
  ["0", 0n],
  ["18446744073709551615", 18446744073709551615n],
  ["18446744073709551616", undefined],
  ["-1", undefined],
  ["twelve", undefined],
])("an index header %s is read as %s", async (header, index) => {
  answer = respond(200, { body: kv("outbound/rules/a", "1"), headers: { "x-consul-index": header } });

  expect((await read(await openHere())).index).toBe(index);
});

test.each([
  [500, "No cluster leader", "no-leader"],
  [500, "rpc error making call: leadership lost while committing log", "no-leader"],
  [500, "rpc error getting client: failed to get conn", "server"],
  [403, "ACL not found", "forbidden"],
  [403, "Permission denied", "forbidden"],
  [429, "rate limit exceeded, try again later or against a different server", "rate-limited"],
  [503, "rate limit exceeded for operation that can only be performed by the leader, try again later", "rate-limited"],
  [503, "upstream is down", "server"],
  [400, "Invalid query parameter", "server"],
  [301, "", "server"],
] as const)("%i %j is %s, and the message says so", async (statusCode, body, kind) => {
  answer = respond(statusCode, { body, headers: { "content-type": "text/plain" } });

  const error = await errorOf(read(await openHere()));

  expect(error).toMatchObject({ kind, statusCode });
  expect(error.message).toMatch(/^Cannot read outbound\/rules\/ from Consul: /);
  expect(error.message).toContain(String(statusCode));
  expect(error.message).toContain(body);
});

test.each([
  ["HTML with 200", respond(200, { body: "<html>login</html>", headers: { "content-type": "text/html" } })],
  ["half a JSON array", respond(200, { body: '[{"Key": "outbound/rules/a"' })],
  ["an object", respond(200, { body: "{}" })],
  ["nothing", respond(200)],
  ["null for an entry", respond(200, { body: "[null]" })],
  ["an entry whose names are traps", respond(200, { body: '[{"hasOwnProperty": 1}]' })],
  [
    "an index that no number is",
    respond(200, { body: '[{"Key": "outbound/rules/a", "Value": null, "ModifyIndex": 1e300}]' }),
  ],
  ["an entry without a value", respond(200, { body: '[{"Key": "outbound/rules/a", "ModifyIndex": 1}]' })],
  ["a key outside the prefix", respond(200, { body: kv("elsewhere/a", "1") })],
  ["404 with a page", respond(404, { body: "<html>nginx</html>" })],
  ["404 without an index", respond(404, { headers: { "x-consul-index": "" } })],
  ["no entries without an index", respond(200, { body: "[]", headers: { "x-consul-index": "" } })],
  ["a body beyond the bound", respond(200, { body: `[${" ".repeat(200_000)}]` })],
] as const)("%s is malformed, and never an empty prefix", async (_, malformed) => {
  answer = malformed;

  expect(await errorOf(read(await openHere()))).toMatchObject({ kind: "malformed" });
});

test("a prefix is readable where its own key may be read, there or not, and not where that is refused", async () => {
  const { signal } = new AbortController();
  const consul = await openHere();

  await consul.checkReadable({ prefix: "outbound/rules/", signal });
  expect(asked?.url.pathname).toBe("/v1/kv/outbound%2Frules%2F");
  expect(asked?.url.searchParams.has("recurse")).toBe(false);
  answer = respond(404);
  await consul.checkReadable({ prefix: "outbound/rules/", signal });
  answer = respond(403, { body: "Permission denied" });
  const error = await errorOf(consul.checkReadable({ prefix: "outbound/rules/", signal }));
  expect(error).toMatchObject({ kind: "forbidden" });
});

test("a body that never ends is cut off at the bound", async () => {
  let isClosed = false;
  answer = (response) => {
    response.on("close", () => (isClosed = true));
    response.writeHead(200, { "x-consul-index": "12" });
    const fill = (): void => void (response.writable && response.write(" ".repeat(10_000), fill));
    fill();
  };

  const error = await errorOf(read(await openHere(), { index: 5n }));

  expect(error).toMatchObject({ kind: "malformed" });
  expect(error.message).toContain("more than 100000 bytes");
  await expect.poll(() => isClosed).toBe(true);
});

test.each([
  ["before the headers", (response: ServerResponse) => void response.socket?.destroy()],
  [
    "in the middle of a body of known length",
    (response: ServerResponse) => {
      response.writeHead(200, { "content-length": 100, "x-consul-index": "12" });
      response.write("[", () => response.socket?.destroy());
    },
  ],
  [
    "in the middle of a chunked body",
    (response: ServerResponse) => {
      response.writeHead(200, { "x-consul-index": "12" });
      response.write("[", () => response.socket?.destroy());
    },
  ],
])("a connection that breaks %s is unreachable, at once", async (_, cut) => {
  answer = cut;
  const startedMs = performance.now();

  const error = await errorOf(read(await openHere(), { index: 5n }));

  expect(error).toMatchObject({ kind: "unreachable" });
  expect(performance.now() - startedMs).toBeLessThan(5000);
});

test("nobody listening is unreachable", async () => {
  const address = await listen();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));

  expect(await errorOf(read(open({ CONSUL_HTTP_ADDR: address })))).toMatchObject({ kind: "unreachable" });
});

test("an answer that does not come is a timeout: 10 s at most beyond what Consul was asked to wait", async () => {
  answer = () => {};
  const consul = await openHere();

  const startedMs = performance.now();
  const first = await errorOf(read(consul));
  const firstMs = performance.now() - startedMs;
  const second = await errorOf(read(consul, { index: 5n, waitSeconds: 1 }));
  const secondMs = performance.now() - startedMs - firstMs;

  expect(first).toMatchObject({ kind: "timeout" });
  expect(second).toMatchObject({ kind: "timeout" });
  expect(firstMs).toBeGreaterThan(290);
  expect(secondMs).toBeGreaterThan(1300);
  expect(secondMs).toBeLessThan(5000);
});

test("a body that trickles does not extend the timeout", async () => {
  answer = (response) => {
    response.writeHead(200, { "x-consul-index": "12" });
    const timer = setInterval(() => response.write(" "), 50);
    response.on("close", () => clearInterval(timer));
  };

  expect(await errorOf(read(await openHere()))).toMatchObject({ kind: "timeout" });
});

test("an abort ends a query that blocks, on both sides, with the signal's reason", async () => {
  let isClosed = false;
  const consul = await openHere();
  const abort = new AbortController();
  answer = (response) => {
    response.on("close", () => (isClosed = true));
    abort.abort(new Error("no longer needed"));
  };

  await expect(read(consul, { index: 5n, signal: abort.signal })).rejects.toThrow("no longer needed");

  await expect.poll(() => isClosed).toBe(true);
});

test("an aborted signal asks nothing", async () => {
  const consul = await openHere();

  await expect(read(consul, { signal: AbortSignal.abort(new Error("over")) })).rejects.toThrow("over");

  expect(asked).toBeUndefined();
});

test("a unix socket works, again and again", async () => {
  const path = join(directory, "consul.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const consul = open({ CONSUL_HTTP_ADDR: `unix://${path}`, CONSUL_HTTP_TOKEN: token });

  expect((await read(consul)).entries).toHaveLength(1);
  expect((await read(consul, { index: 5n })).index).toBe(12n);
  expect(asked?.token).toBe(token);
});

test("an IPv6 address works", async () => {
  const consul = open({ CONSUL_HTTP_ADDR: await listen("::1") });

  expect((await read(consul)).entries).toHaveLength(1);
});

test("a namespace is asked for", async () => {
  await read(await openHere({ CONSUL_NAMESPACE: "team a" }));

  expect(asked?.url.searchParams.get("ns")).toBe("team a");
});

test("the token file goes before the token, and is read again for each request", async () => {
  const file = join(directory, "token");
  await writeFile(file, `${token}-1\n`);
  const consul = await openHere({ CONSUL_HTTP_TOKEN: "other", CONSUL_HTTP_TOKEN_FILE: file });

  await read(consul);
  expect(asked?.token).toBe(`${token}-1`);
  await writeFile(file, `${token}-2\n`);
  await read(consul);
  expect(asked?.token).toBe(`${token}-2`);
});

test("a token file that is missing, empty or nonsense is forbidden, and nothing is asked without a token", async () => {
  const file = join(directory, "token");
  const consul = await openHere({ CONSUL_HTTP_TOKEN_FILE: file });

  expect(await errorOf(read(consul))).toMatchObject({ kind: "forbidden" });
  await writeFile(file, "\n");
  expect(await errorOf(read(consul))).toMatchObject({ kind: "forbidden" });
  await writeFile(file, "two\nlines");
  expect(await errorOf(read(consul))).toMatchObject({ kind: "forbidden" });
  expect(asked).toBeUndefined();
});

test.each([
  ["a refusal that repeats it", respond(403, { body: `token ${token} lacks permission` })],
  ["a broken connection", (response: ServerResponse) => void response.socket?.destroy()],
  ["an answer that is not Consul's", respond(200, { body: "{}" })],
  ["a timeout", () => {}],
] as const)("the token is nowhere in the error of %s", async (_, failing) => {
  answer = failing;

  const error = await errorOf(read(await openHere({ CONSUL_HTTP_TOKEN: token })));

  expect(asked?.token).toBe(token);
  expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(token);
});
