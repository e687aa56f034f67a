import { randomBytes } from "node:crypto";
import { type Background, type BackgroundOptions, startBackground } from "./background.ts";
import { type CommandOptions, type CommandOutcome, runCommand } from "./command.ts";
import { createEndpoint, type Endpoint } from "./traffic/endpoint.ts";

/** A network namespace of its own: everything in it is gone when it closes. */
export interface Namespace extends Endpoint {
  /** Its file, as CNI_NETNS names it. */
  readonly path: string;
  /** Runs a command inside to its end; throws on a non-zero exit unless `allowFailure`. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandOutcome>;
  /** Starts a program inside that goes on until it is killed or the namespace closes. */
  start(argv: readonly string[], options?: BackgroundOptions): Promise<Background>;
  /** Runs `ip` commands inside, in one process: `link set lo up`. */
  ip(...commands: readonly string[]): Promise<void>;
  /** Writes kernel settings, `net.ipv4.ip_forward=1`, of this namespace only. */
  setSysctls(settings: readonly string[]): Promise<void>;
  /** Ends its traffic and what `start` started, and removes it; again is harmless. */
  close(): Promise<void>;
}

/** `role` becomes part of its name, for people; the rest is random, so that parallel tests never meet. */
export async function createNamespace(role: string, env: Readonly<Record<string, string>> = {}): Promise<Namespace> {
  const name = `cnio-${role}-${randomBytes(5).toString("hex")}`;
  await runCommand(["ip", "netns", "add", name]);
  const { closeEndpoint, ...endpoint } = createEndpoint(name);
  const exec: Namespace["exec"] = (argv, options) =>
    runCommand(["ip", "netns", "exec", name, ...argv], { ...options, env: { ...env, ...options?.env } });
  const setSysctls: Namespace["setSysctls"] = async (settings) => {
    const write = 'for s; do echo "${s#*=}" > "/proc/sys/$(echo "${s%%=*}" | tr . /)" || exit 1; done';
    await exec(["sh", "-c", write, "sh", ...settings]);
  };
  const started: Background[] = [];
  // Without duplicate address detection, IPv6 addresses are usable at once.
  await setSysctls(["net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0"]).catch(async (error) => {
    await runCommand(["ip", "netns", "del", name], { allowFailure: true });
    throw error;
  });
  return {
    ...endpoint,
    path: `/var/run/netns/${name}`,
    exec,
    async start(argv, options) {
      const program = await startBackground(["ip", "netns", "exec", name, ...argv], {
        ...options,
        env: { ...env, ...options?.env },
      });
      started.push(program);
      return program;
    },
    async ip(...commands) {
      await runCommand(["ip", "-n", name, "-batch", "-"], { input: commands.join("\n") });
    },
    setSysctls,
    async close() {
      await Promise.all([closeEndpoint(), ...started.map((program) => program.kill("SIGKILL"))]);
      await killAllIn(name);
      await runCommand(["ip", "netns", "del", name], { allowFailure: true });
    },
  };
}

/** What a program that was killed had started itself would live on, and keep the namespace. */
async function killAllIn(name: string): Promise<void> {
  const { stdout } = await runCommand(["ip", "netns", "pids", name], { allowFailure: true });
  const pids = stdout.split("\n").filter((pid) => pid !== "");
  if (pids.length > 0) await runCommand(["kill", "-KILL", ...pids], { allowFailure: true });
}
