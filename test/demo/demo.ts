/**
 * `npm run demo`: shows the main job on a real kernel with a real Consul, and leaves the machine as it was. As root.
 *
 * The story runs in a session of its own: Ctrl-C in a terminal reaches this process only, which passes it on, and never
 * the commands that the story's cleaning up is made of. Its temporary files are all in one directory.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

if (process.getuid?.() === 0) {
  process.exitCode = await runStory();
} else {
  process.stderr.write("Cannot run the demo: it makes network namespaces and must be run as root\n");
  process.exitCode = 1;
}

async function runStory(): Promise<number> {
  const temporary = await mkdtemp(join(tmpdir(), "cni-outbound-demo-"));
  const story = spawn(process.execPath, [fileURLToPath(new URL("story.ts", import.meta.url))], {
    detached: true,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...withoutConsul(process.env), TMPDIR: temporary },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => story.kill(signal));
  await once(story, "exit");
  await rm(temporary, { recursive: true, force: true });
  return story.exitCode ?? 128 + constants.signals[story.signalCode ?? "SIGKILL"];
}

/** Somebody's own Consul, as CONSUL_HTTP_ADDR names it, is none of the demo's business. */
function withoutConsul(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^CONSUL_(?!BIN$)/.test(name)));
}
