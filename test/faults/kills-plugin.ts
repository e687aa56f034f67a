import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { families } from "../e2e/running-node.ts";
import { outboundPath } from "../support/cni/outbound.ts";
import { type PluginRun, runPlugin } from "../support/cni/plugin.ts";
import type { Conflist } from "../support/cni/conflist.ts";
import type { Container } from "../support/container.ts";
import type { Json } from "../support/json.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { monotonicMs } from "../support/wait.ts";

/** One run of our plugin for a container, as the runtime makes it. */
export function runFor(conflist: Conflist, container: Container, command: "ADD" | "DEL" | "CHECK"): PluginRun {
  const plugin = conflist.plugins.find(({ type }) => type === "outbound");
  if (!plugin) throw new Error(`Cannot run outbound: ${conflist.name} does not list it`);
  const { containerId, path: netns, attaching, result: prevResult } = container;
  const config = { ...plugin, name: conflist.name, cniVersion: conflist.cniVersion, prevResult };
  const args = command === "DEL" ? {} : { args: attaching.args ?? "" };
  return { command, config, containerId, netns, ifname: "eth0", ...args };
}

/** The conflist without our plugin: what it gives a container is not filtered yet. */
export function withoutOutbound(conflist: Conflist): Conflist {
  return { ...conflist, plugins: conflist.plugins.filter(({ type }) => type !== "outbound") };
}

/** Throws where it does not succeed. Returns how long it took. */
export async function mustRun(node: ClientNode, run: PluginRun): Promise<number> {
  const sinceMs = monotonicMs();
  const { exitCode, stdout, stderr } = await runPlugin(node, "outbound", run);
  if (exitCode !== 0) throw new Error(`Cannot ${run.command} ${run.containerId}: ${exitCode}, ${stdout}${stderr}`);
  return monotonicMs() - sinceMs;
}

/** Runs it and kills it with all that it has started. Returns whether it ran until then. */
export async function runAndKill(node: ClientNode, run: PluginRun, afterMs: number): Promise<boolean> {
  const argv = ["--pdeathsig", "KILL", "ip", "netns", "exec", node.namespace, outboundPath];
  const child = spawn("setpriv", argv, {
    // A process group of its own.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: environmentOf(node, run),
  });
  const exited = once(child, "exit");
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(run.config));
  await sleep(afterMs);
  const isRunning = child.exitCode === null && child.signalCode === null;
  if (isRunning && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  await exited;
  return isRunning;
}

export function environmentOf(node: ClientNode, run: PluginRun): Readonly<Record<string, string | undefined>> {
  return {
    ...process.env,
    ...node.env,
    CNI_COMMAND: run.command,
    CNI_CONTAINERID: run.containerId,
    CNI_NETNS: run.netns,
    CNI_IFNAME: run.ifname,
    CNI_ARGS: run.args,
    CNI_PATH: node.pluginDirs.join(":"),
  };
}

/** What GC is told: these are valid, all else of the network is not. */
export function gcFor(conflist: Conflist, valid: readonly Container[]): PluginRun {
  const plugin = conflist.plugins.find(({ type }) => type === "outbound") ?? {};
  const list: Json = valid.map(({ containerId }) => ({ containerID: containerId, ifname: "eth0" }));
  const keys = { "cni.dev/valid-attachments": list, "cni.dev/attachments": list };
  return { command: "GC", config: { ...plugin, name: conflist.name, cniVersion: "1.1.0", ...keys } };
}

/** All rules of both families, those of a chain together and in order; without counters and shared chains. */
export async function rulesByChain(node: ClientNode): Promise<string> {
  const saved = await Promise.all(
    families.map((family) => node.exec([family === 4 ? "iptables-save" : "ip6tables-save", "-t", "filter"])),
  );
  return saved
    .map(({ stdout }) => {
      const lines = stdout.split("\n").filter((line) => /^[-:]/.test(line) && !SHARED.test(line));
      const named = lines.map((line) => ({ line: line.replace(/\[\d+:\d+\]/, ""), chain: line.split(" ")[1] ?? "" }));
      return named.toSorted((a, b) => (a.chain < b.chain ? -1 : a.chain > b.chain ? 1 : 0)).map(({ line }) => line);
    })
    .flat()
    .join("\n");
}

/** The watcher's next pass removes those that nobody needs any more. */
const SHARED = /^(?::|-A )CNI-OUT(?:ST|DS|AS|DR|AR)-/;
