import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { ensureConsul } from "../setup/consul.ts";
import { runCommand } from "../support/command.ts";
import { startConsul } from "../support/consul-agent.ts";
import type { ConsulAgent } from "../support/consul-agent.ts";

let agent: ConsulAgent;
let directory: string;
let executable: string;
let running: ChildProcess | undefined;
let lines: string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "outbound-compiled-"));
  executable = join(directory, "watch");
  const source = fileURLToPath(new URL("compiled-watch.ts", import.meta.url));
  const bun = fileURLToPath(new URL("../../node_modules/.bin/bun", import.meta.url));
  await runCommand([bun, "build", "--compile", "--minify", "--bytecode", source, `--outfile=${executable}`]);
  agent = await startConsul({ binary: await ensureConsul() });
});

afterAll(async () => {
  await agent.close();
  await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  lines = [];
  await agent.delete("outbound/", { recurse: true });
});

afterEach(() => {
  running?.kill("SIGKILL");
});

function start(address: string): ChildProcess {
  const child = spawn(executable, { env: { CONSUL_HTTP_ADDR: address }, stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.setEncoding("utf8").on("data", (text: string) => lines.push(...text.trimEnd().split("\n")));
  running = child;
  return child;
}

async function expectLines(...expected: readonly string[]): Promise<void> {
  await expect.poll(() => lines, { timeout: 20_000, interval: 5 }).toEqual(expected);
}

test.each(["url", "unixUrl"] as const)(
  "the compiled watch follows a Consul at its %s and ends at once",
  async (way) => {
    const child = start(agent[way]);
    await expectLines("nothing");

    await agent.put("outbound/rules/global/a", "1");
    await expectLines("nothing", "global/a=1");
    await agent.delete("outbound/rules/global/a");
    await expectLines("nothing", "global/a=1", "nothing");

    const startedMs = performance.now();
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    expect(performance.now() - startedMs).toBeLessThan(1000);
    await expectLines("nothing", "global/a=1", "nothing", "ended");
  },
);

test("the compiled watch notices that Consul is gone and that it is back", async () => {
  start(agent.url);
  await expectLines("nothing");

  await agent.stop();
  await expectLines("nothing", "unreachable");
  await agent.start();
  await agent.put("outbound/rules/global/a", "1");

  await expect.poll(() => lines.at(-1), { timeout: 10_000, interval: 5 }).toBe("global/a=1");
});
