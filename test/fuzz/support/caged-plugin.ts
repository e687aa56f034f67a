import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../../../lib/cni/environment.ts";
import type { PluginOutcome } from "../../../lib/cni/run.ts";
import { writeRuntimeRulesCache } from "../../../lib/host/runtime-rules-cache.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { outboundPath } from "../../support/cni/outbound.ts";
import { runCommand } from "../../support/command.ts";
import type { ClientNode } from "../../support/network-namespace.ts";
import { waitUntil } from "../../support/wait.ts";

/**
 * The executable as a plugin on a node of its own, whose folders are its own too: a configuration that was damaged may
 * name any, and the defaults are the machine's.
 */
export interface CagedPlugin {
  readonly stateDir: string;
  readonly run: (env: Environment, stdin: string) => Promise<PluginOutcome>;
  /** With arguments and input that no text need be. */
  readonly runRaw: (
    env: Environment,
    raw: { readonly args: Uint8Array; readonly stdin: Uint8Array },
  ) => Promise<PluginOutcome>;
  /** Makes these the rules that the node knows, and forgets every attachment and chain. */
  readonly reset: (runtimeRules: RuntimeRules | undefined) => Promise<void>;
}

/** The plugin itself gives up after 45 s; this is longer, as a machine under load takes its time to start it. */
const TIMEOUT_MS = 90_000;

export async function cagePlugin(node: ClientNode): Promise<CagedPlugin> {
  const own = { run: join(node.directory, "run"), lib: join(node.directory, "lib"), raw: join(node.directory, "raw") };
  for (const folder of Object.values(own)) await mkdir(folder, { recursive: true, mode: 0o700 });
  const mounts = `mount --bind ${own.run} /run && mount --bind ${own.lib} /var/lib && echo ready && exec sleep infinity`;
  const cage = await node.start(["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts]);
  await waitUntil(() => Promise.resolve(cage.stdout().includes("ready") || undefined), { what: "the mounts" });
  const inside = ["nsenter", "--target", String(cage.pid), "--mount", "--net", "--"];
  const environment = (env: Environment) => ({ PATH: node.env["PATH"], ...env });
  const run = (argv: readonly string[], env: Environment, input = "") =>
    runCommand([...inside, ...argv], { env: environment(env), input, allowFailure: true, timeoutMs: TIMEOUT_MS });
  return {
    stateDir: join(own.run, "cni-outbound"),
    run: (env, stdin) => run([outboundPath], env, stdin),
    runRaw: async (env, { args, stdin }) => {
      await writeFile(join(own.raw, "args"), args);
      await writeFile(join(own.raw, "stdin"), stdin);
      const script = 'CNI_ARGS="$(tr -d "\\0" < "$0/args")" exec "$1" < "$0/stdin"';
      return run(["sh", "-c", script, own.raw, outboundPath], env);
    },
    reset: async (runtimeRules) => {
      await rm(join(own.run, "cni-outbound"), { recursive: true, force: true });
      await rm(join(own.lib, "cni-outbound"), { recursive: true, force: true });
      const flush = "for t in iptables ip6tables; do $t -w -F; $t -w -X; done";
      await node.exec(["sh", "-c", flush]);
      if (runtimeRules !== undefined) {
        writeRuntimeRulesCache(join(own.lib, "cni-outbound"), { rules: runtimeRules, nowMs: Date.now() });
      }
    },
  };
}
