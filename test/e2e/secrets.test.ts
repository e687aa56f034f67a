import { createServer, type Server } from "node:http";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { outboundPath } from "../support/cni/outbound.ts";
import type { Container } from "../support/container.ts";
import { waitUntil } from "../support/wait.ts";
import { startWatcher, type Watcher } from "../support/watcher.ts";
import { acceptTo, conflistOf, type RunningNode, startRunningNode, untilVerdict } from "./running-node.ts";

const policyFile = join(import.meta.dirname, "..", "..", "nomad", "outbound-watch.policy.hcl");
const bogus = "11111111-2222-3333-4444-b0905b0905b0";
const password = "hunter2hunter2";
/** So much of a token is too much. */
const PART = 12;

type Environment = Readonly<Record<string, string>>;

let running: RunningNode;
let container: Container;
let token: string;
let limited: string;
let echo: Server;
let echoUrl: string;
/** All that anybody could see, with where it was seen. */
const seen: { readonly where: string; readonly text: string }[] = [];

beforeAll(async () => {
  running = await startRunningNode({ backend: "nft", consul: { acl: true } });
  const { node, consul } = running;
  token = await consul.createToken(`${readFileSync(policyFile, "utf8")}\nkey_prefix "outbound/" { policy = "write" }`);
  limited = await consul.createToken(
    'key_prefix "outbound/rules/node/" { policy = "read" } key_prefix "outbound/status/" { policy = "write" } session_prefix "" { policy = "write" }',
  );
  await running.put("global/open", acceptTo(running, 1001));
  await running.put("global/bad", "not JSON");
  await writeFile(join(node.directory, "rules.json"), '{"action":"DROP"}');
  const logging = { enable: true, directory: `${node.directory}/logs` };
  const plain = conflistOf(node);
  const conflist = {
    ...plain,
    plugins: plain.plugins.map((each) => (each.type === "outbound" ? { ...each, logging } : each)),
  };
  container = await node.attach({ conflist });
  echo = await startEcho(join(node.directory, "echo.sock"));
  echoUrl = `unix://${node.directory}/echo.sock`;
}, 900_000);

afterAll(async () => {
  echo.close();
  await running.close();
});

/** Refuses everything with what it was sent, as a proxy may that an operator debugs; the token lies across the cut. */
function startEcho(path: string): Promise<Server> {
  const server = createServer(({ headers }, response) => {
    const text = `${"x".repeat(170)} ${String(headers["x-consul-token"])} ${JSON.stringify(headers)}`;
    response.writeHead(403).end(text);
  });
  return new Promise((resolve) => {
    server.listen(path, () => resolve(server));
  });
}

function see(where: string, text: string): void {
  seen.push({ where, text });
}

/** Everything below these folders, and everything in Consul's KV. */
async function seeStored(): Promise<void> {
  const { node, consul } = running;
  for (const folder of [node.stateDir, node.cacheDir, `${node.directory}/logs`]) {
    for (const file of filesBelow(folder)) see(file, readFileSync(file, "latin1"));
  }
  const { body } = await consul.request({ path: "/v1/kv/?recurse" });
  for (const { Key, Value } of kvSchema.parse(JSON.parse(body))) {
    see(Key, Buffer.from(Value ?? "", "base64").toString("latin1"));
  }
}

const kvSchema = z.array(z.object({ Key: z.string(), Value: z.string().nullable() }));

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** What `ps` shows of it and of the programs it runs, and what those inherit. */
function seeProcesses(pid: number): void {
  see("argv", readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  for (const child of children) {
    for (const file of ["cmdline", "environ"]) see(`child's ${file}`, readProcess(`/proc/${child}/${file}`));
  }
}

/** Most programs end at once; `nft monitor` stays. */
function readProcess(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

async function seeWatcher(watcher: Watcher): Promise<void> {
  see("/ready", (await watcher.ready()).body);
  see("/metrics", JSON.stringify(await watcher.metrics()));
  see(
    "log",
    watcher
      .lines()
      .map((line) => JSON.stringify(line))
      .join("\n"),
  );
}

/** A watcher with this environment, until `isEnough`; all that it leaves is looked at. */
async function watch(env: Environment, isEnough: (watcher: Watcher) => Promise<unknown>): Promise<void> {
  const through = ["sh", "-c", 'umask 000; exec "$@"', "sh"];
  const watcher = await startWatcher(running.node, { env: withoutOwn(env), through, args: ["--log-level", "info"] });
  try {
    await watcher.waitForLine("Watcher started");
    await isEnough(watcher);
    seeProcesses(watcher.pid);
    await seeWatcher(watcher);
    await seeStored();
  } finally {
    await watcher.stop();
  }
  await seeStored();
}

/** Nothing of the environment that the tests run in. */
function withoutOwn(env: Environment): Environment {
  return { CONSUL_HTTP_TOKEN: "", CONSUL_HTTP_TOKEN_FILE: "", CONSUL_HTTP_ADDR: running.consul.unixUrl, ...env };
}

const complains = (watcher: Watcher) =>
  waitUntil(() => watcher.lines().some(({ level }) => level === "warn"), { what: "a warning" });

async function runCommands(env: Environment): Promise<void> {
  const { node } = running;
  const where = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir];
  const { containerId } = container;
  const scope = ["--namespace", "default"];
  const commands = [
    ["list", ...where],
    ["show", containerId, ...where],
    ["explain", containerId, "192.0.2.1:1001", ...where],
    ["doctor", ...where],
    ["reconcile", ...where],
    ["uninstall", ...where],
    ["rules", "list"],
    ["rules", "get", "global/open"],
    ["rules", "put", "own", ...scope, "-f", "rules.json"],
    ["plan", "own", ...scope, "-f", "rules.json", ...where],
    ["rules", "rm", "own", ...scope],
    ["status"],
    ["status", "global/open", "--wait", "--timeout", "1s"],
  ];
  for (const words of commands) {
    const options = { env: withoutOwn(env), cwd: node.directory, allowFailure: true };
    const both = [[], ["--json"]].map((json) => node.exec([outboundPath, ...words, ...json], options));
    for (const { stdout, stderr } of await Promise.all(both)) {
      see(`outbound ${words.join(" ")} with ${Object.keys(env).join()}`, `${stdout}\n${stderr}`);
    }
  }
}

function parts(secret: string): readonly string[] {
  return Array.from({ length: secret.length - PART + 1 }, (_, index) => secret.slice(index, index + PART));
}

/** As it is, in part, and as somebody might encode it. */
function findSecrets(secrets: readonly string[]): readonly string[] {
  const all = secrets.flatMap((secret) => [
    ...parts(secret),
    Buffer.from(secret).toString("base64").replaceAll("=", ""),
    Buffer.from(secret).toString("hex"),
  ]);
  return seen
    .filter(({ text }) => all.some((each) => text.includes(each)))
    .map(({ where, text }) => `${where}: ${text.slice(0, 500)}`);
}

describe("no secret is told", () => {
  test("by a watcher, whatever becomes of its token", async () => {
    const { node, consul } = running;
    const file = join(node.directory, "token");
    await writeFile(file, token);
    await watch({ CONSUL_HTTP_TOKEN: token }, async (watcher) => {
      await watcher.waitForLine("In sync with Consul");
      await untilVerdict(container, { address: running.outside[4], port: 1001 }, "open");
      await waitUntil(async () => (await consul.get("outbound/status/n1"))?.includes('"isInSync":true'), {
        what: "the status",
      });
    });
    await watch({ CONSUL_HTTP_TOKEN_FILE: file }, async (watcher) => {
      await watcher.waitForLine("In sync with Consul");
      await writeFile(file, `${token} and words`);
      await running.put("global/other", acceptTo(running, 1002));
      await complains(watcher);
    });
    // The status key holds what Consul answered to it.
    await watch({ CONSUL_HTTP_TOKEN: limited }, async () => {
      const tells = async () => (await consul.get("outbound/status/n1"))?.includes("Permission denied");
      await waitUntil(tells, { what: "the refusal in the status" });
    });
    await watch({ CONSUL_HTTP_TOKEN: bogus }, complains);
    await watch({ CONSUL_HTTP_TOKEN: token, CONSUL_HTTP_ADDR: echoUrl }, complains);
    await watch({ CONSUL_HTTP_TOKEN: token, CONSUL_HTTP_ADDR: "http://127.0.0.1:1" }, complains);
    expect(findSecrets([token, limited, bogus])).toEqual([]);
  });

  test("by any command", async () => {
    await runCommands({ CONSUL_HTTP_TOKEN: token });
    await runCommands({ CONSUL_HTTP_TOKEN: bogus });
    await runCommands({ CONSUL_HTTP_TOKEN: token, CONSUL_HTTP_ADDR: echoUrl });
    expect(findSecrets([token, limited, bogus])).toEqual([]);
  });

  test.each([
    `http://outbound:${password}@127.0.0.1:8500`,
    `unix://outbound:${password}@sock`,
    `//outbound:${password}@127.0.0.1:8500`,
    `ftp://outbound:${password}@127.0.0.1:8500`,
    `http://127.0.0.1:8500/?token=${password}`,
  ])("of the address %s", async (address) => {
    const env = withoutOwn({ CONSUL_HTTP_ADDR: address });
    const commands = [["status"], ["doctor"], ["rules", "list"], ["watch", "--listen", ""]];
    const options = { env, allowFailure: true };
    const outcomes = await Promise.all(commands.map((words) => running.node.exec([outboundPath, ...words], options)));
    for (const { stdout, stderr } of outcomes) {
      expect(`${stdout}${stderr}`).toContain("CONSUL_HTTP_ADDR");
      expect(`${stdout}${stderr}`).not.toContain(password);
    }
  });

  test("though it was looked for where it would be", async () => {
    expect(seen.map(({ where }) => where)).toEqual(expect.arrayContaining(["argv", "/ready", "/metrics", "log"]));
    const text = seen.map((each) => each.text).join("\n");
    for (const known of [
      "LC_ALL=C",
      "[token]",
      "Permission denied",
      "ACL not found",
      "global/bad",
      container.containerId,
    ]) {
      expect(text).toContain(known);
    }
    see("a copy", token.slice(8, 30));
    expect(findSecrets([token])).toHaveLength(1);
  });
});

test("files of ours are root's alone, whatever the umask", () => {
  const { node } = running;
  const paths = [node.stateDir, node.cacheDir].flatMap((folder) => [
    folder,
    ...readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  ]);
  expect(paths.length).toBeGreaterThan(4);
  const open = paths.filter((path) => (statSync(path).mode & 0o777) !== (statSync(path).isDirectory() ? 0o700 : 0o600));
  expect(open).toEqual([]);
});
