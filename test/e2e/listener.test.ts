import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ensurePackages } from "../setup/packages.ts";
import type { Namespace } from "../support/namespace.ts";
import { type ClientNode, createNode } from "../support/network-namespace.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";

const unreachable = { CONSUL_HTTP_ADDR: "127.0.0.1:1" };

/**
 * Opens `count` connections, sends `head` on each and `drip` each half a second from then on, until all have ended or
 * the time is over. Told of each: what came, and after how long it ended.
 */
const client = `
const { host, port, count, head, drip, timeoutMs } = JSON.parse(process.argv[1]);
const { connect } = require("node:net");
const one = () => new Promise((resolve) => {
  const started = Date.now();
  let text = "", timer, error;
  const socket = connect({ host, port }, () => {
    socket.write(Buffer.from(head, "latin1"));
    timer = setInterval(() => drip && socket.write(drip), 500);
  });
  const giveUp = setTimeout(() => socket.destroy(), timeoutMs);
  socket.on("data", (data) => (text += data.toString("latin1")));
  socket.on("error", ({ code }) => (error = code));
  socket.on("close", () => {
    clearInterval(timer);
    clearTimeout(giveUp);
    resolve({ text: text.slice(0, 2000), ms: Date.now() - started, ...(error && { error }) });
  });
});
Promise.all(Array.from({ length: count }, one)).then((all) => console.log(JSON.stringify(all)));
`;

const answersSchema = z.array(z.object({ text: z.string(), ms: z.number(), error: z.string().optional() }));
type Answer = z.infer<typeof answersSchema>[number];

interface Attempt {
  readonly head: string;
  readonly host?: string;
  readonly count?: number;
  readonly drip?: string;
  readonly timeoutMs?: number;
}

async function attempt(from: Pick<Namespace, "exec">, options: Attempt): Promise<readonly Answer[]> {
  const given = { host: "127.0.0.1", port: 9710, count: 1, drip: "", timeoutMs: 1_000, ...options };
  const { stdout } = await from.exec([process.execPath, "-e", client, JSON.stringify(given)]);
  return answersSchema.parse(JSON.parse(stdout));
}

let node: ClientNode;

beforeAll(async () => {
  await ensurePackages({ docker: false });
  node = await createNode({ backend: "nft" });
}, 900_000);

afterAll(() => node.close());

async function listening(): Promise<string> {
  const { stdout } = await node.exec(["ss", "-ltnH"]);
  return stdout.replaceAll(/^\S+ +\S+ +\S+ +(\S+) .*$/gm, "$1").trim();
}

const request = (target: string, ...headers: readonly string[]) =>
  [`GET ${target} HTTP/1.1`, "Connection: close", ...headers, "", ""].join("\r\n");

describe("the watcher's listener", () => {
  let watcher: Watcher;

  beforeAll(async () => {
    watcher = await startWatcher(node, { env: unreachable });
    await waitUntil(async () => (await listening()) !== "", { what: "the listener" });
  });

  test("is on loopback, and not reached from elsewhere", async () => {
    expect(await listening()).toBe("127.0.0.1:9710");
    const head = request("/health", "Host: x");
    for (const host of [node.v4, node.v6]) {
      expect(await attempt(node.outside, { head, host })).toMatchObject([{ text: "", error: "ECONNREFUSED" }]);
    }
    const [answer] = await attempt(node, { head });
    expect(answer?.text).toMatch(/^HTTP\/1\.1 200 .*"alive"/s);
  });

  test.each([
    ["a target that is no URL", request("//", "Host: x"), 404],
    ["another", request("http://[bad/", "Host: x"), 404],
    ["a path that climbs", request("/../health/../../etc/passwd", "Host: x"), 404],
    ["bytes that are no text", request("/\xff\xfe%zz", "Host: x"), 400],
    [
      "a method that would write",
      "PUT /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
      405,
    ],
    ["another", "DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405],
    ["headers of 100 kB", request("/health", "Host: x", `X-Long: ${"a".repeat(100_000)}`), 431],
    ["what is not HTTP", "\x16\x03\x01\x00\xff\r\n\r\n", 400],
    ["two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
  ])("answers %s with a refusal", async (_, head, status) => {
    const [answer] = await attempt(node, { head });
    expect(Number(answer?.text.split(" ")[1])).toBe(status);
  });

  test("takes no notice of the name it is asked by, and lets no page of another origin read its answer", async () => {
    for (const name of ["localhost:9710", "evil.example", "127.0.0.1:9710@evil.example"]) {
      const [answer] = await attempt(node, { head: request("/ready", `Host: ${name}`, "Origin: http://evil.example") });
      expect(answer?.text).toMatch(/^HTTP\/1\.1 503 .*"inSync":false/s);
      expect(answer?.text.toLowerCase()).not.toContain("access-control");
    }
  });

  test("shows a page to who asks by an address or this node's name, and nobody else's name", async () => {
    for (const path of ["/", "/cluster", "/attachments/x", "/style.css", "/live.js"]) {
      for (const name of ["127.0.0.1:9710", "localhost:9710", "[::1]:9710", node.name]) {
        const [answer] = await attempt(node, { head: request(path, `Host: ${name}`) });
        expect(answer?.text).toMatch(path === "/attachments/x" ? /^HTTP\/1\.1 404 .*<title>/s : /^HTTP\/1\.1 200 /);
      }
      const [answer] = await attempt(node, { head: request(path, "Host: evil.example:9710") });
      expect(answer?.text).toMatch(
        /^HTTP\/1\.1 421 .*text\/plain.*Cannot show this page: it is asked for as "evil\.example:9710"/s,
      );
    }
  });

  test("sends pages that run, frame and send nothing but their own, and that nobody keeps", async () => {
    const [answer] = await attempt(node, { head: request("/", "Host: localhost") });
    const [head = ""] = (answer?.text ?? "").toLowerCase().split("\r\n\r\n");
    expect(head).toContain("content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'");
    expect(head).toContain("frame-ancestors 'none'");
    expect(head).not.toContain("unsafe");
    for (const header of ["nosniff", "no-store", "no-referrer", "same-origin"]) expect(head).toContain(`: ${header}`);
  });

  test("makes pages at a bounded rate, and is ready all the while", async () => {
    const crowd = attempt(node, { head: request("/", "Host: localhost"), count: 90, timeoutMs: 30_000 });
    const [ready] = await attempt(node, { head: request("/ready", "Host: x") });
    expect(ready?.text).toContain('"inSync":false');
    const answers = await crowd;
    expect(answers.map(({ text }) => text.split(" ")[1])).toEqual(answers.map(() => "200"));
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeGreaterThan(4_000);
  });

  test("cuts off who sends for ever, and answers others afterwards", async () => {
    const slow = { head: "GET /health HTTP/1.1\r\nHost: x\r\n", drip: "X-More: x\r\n", count: 300, timeoutMs: 30_000 };
    const answers = await attempt(node, slow);
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(20_000);
    expect(answers.filter(({ text }) => text.includes(" 200 "))).toEqual([]);
    expect(await watcher.ready()).toMatchObject({ status: 503 });
  });

  test("leaves the watcher as it was", async () => {
    expect(watcher.exitCode()).toBeUndefined();
    expect(watcher.lines().filter(({ level }) => level === "error")).toEqual([]);
    expect(await watcher.stop()).toBe(0);
  });
});

test("where it is told otherwise, it is reached from elsewhere", async () => {
  const watcher = await startWatcher(node, { env: unreachable, args: ["--listen", `${node.v4}:9711`] });
  await waitUntil(async () => (await listening()) === `${node.v4}:9711`, { what: "the listener" });
  const head = `GET /health HTTP/1.0\r\n\r\n`;
  const given = { host: node.v4, port: 9711, count: 1, head, drip: "", timeoutMs: 1_000 };
  const { stdout } = await node.outside.exec([process.execPath, "-e", client, JSON.stringify(given)]);
  expect(stdout).toContain("alive");
  await watcher.stop();
});
