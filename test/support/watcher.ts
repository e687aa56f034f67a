import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Json, parseOwnJson } from "./json.ts";
import type { ClientNode } from "./network-namespace.ts";
import { waitUntil } from "./wait.ts";

/** One line of the watcher's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: Json;
}

export interface WatcherOptions {
  /** More arguments of `outbound watch`; the node's directories and name are given. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What starts it: `["setpriv", …]`; default: nothing. */
  readonly through?: readonly string[];
}

/** The built executable as `watch`, on a node. */
export interface Watcher {
  readonly pid: number;
  /** All whole lines so far. */
  lines(): readonly LogLine[];
  /** The first line with this message, `skip` lines left out. Throws, with the last lines, after `timeoutMs` (5,000). */
  waitForLine(message: string, options?: WaitForLineOptions): Promise<LogLine>;
  /** Sends the signal, SIGTERM unless said otherwise, waits for the end, and returns the exit code. */
  stop(signal?: "SIGTERM" | "SIGINT"): Promise<number>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Undefined while it runs. */
  exitCode(): number | undefined;
  /** What `/metrics` says, by name and labels: `outbound_drift_repairs_total{family="ipv4"}`. */
  metrics(): Promise<Readonly<Record<string, number>>>;
  /** What `/ready` answers. */
  ready(): Promise<Answer>;
}

export interface WaitForLineOptions {
  readonly skip?: number;
  readonly where?: (line: LogLine) => boolean;
  readonly timeoutMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Starts a watcher inside a node's network namespace; it ends with the node. Returns once it runs, in sync or not. */
export async function startWatcher(
  node: ClientNode,
  { args = [], env = {}, through = [] }: WatcherOptions = {},
): Promise<Watcher> {
  const where = ["--state-dir", node.stateDir, "--cache-dir", node.cacheDir, "--node", node.name];
  const program = await node.start([...through, findExecutable(node), "watch", ...where, ...args], { env });
  const lines = () =>
    program
      .stdout()
      .split("\n")
      .slice(0, -1)
      .map(parseOwnJson<LogLine>);
  return {
    pid: program.pid,
    lines,
    async waitForLine(message, { skip = 0, where: isIt = () => true, timeoutMs = 5_000 } = {}) {
      const find = () =>
        lines()
          .slice(skip)
          .find((line) => line.msg === message && isIt(line));
      return waitUntil(find, { what: `the line "${message}"`, timeoutMs }).catch((cause: unknown) => {
        const last = lines()
          .slice(-5)
          .map((line) => JSON.stringify(line));
        throw new Error(`Cannot find "${message}" in the log: it ends with\n${last.join("\n")}`, { cause });
      });
    },
    async stop(signal = "SIGTERM") {
      await program.kill(signal);
      return program.exitCode() ?? -1;
    },
    kill: () => program.kill("SIGKILL"),
    exitCode: () => program.exitCode(),
    async metrics() {
      const { body } = await get(node, "/metrics");
      const samples = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
      return Object.fromEntries(samples.map((line) => [line.replace(/ \S+$/, ""), Number(line.replace(/^.* /, ""))]));
    },
    ready: () => get(node, "/ready"),
  };
}

const answerSchema = z.object({ status: z.number(), body: z.string() });

async function get(node: ClientNode, path: string): Promise<Answer> {
  const script =
    "fetch(process.argv[1]).then(async (r) => console.log(JSON.stringify({ status: r.status, body: await r.text() })))";
  const { stdout } = await node.exec([process.execPath, "-e", script, `http://127.0.0.1:9710${path}`]);
  return answerSchema.parse(JSON.parse(stdout));
}

function findExecutable(node: ClientNode): string {
  const path = node.pluginDirs.map((directory) => join(directory, "outbound")).find((each) => existsSync(each));
  if (path === undefined) throw new Error(`Cannot find outbound: it is in none of ${node.pluginDirs.join(", ")}`);
  return path;
}
