import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { ensureConsul } from "../setup/consul.ts";
import { ensurePackages } from "../setup/packages.ts";
import { startBackground } from "../support/background.ts";
import { runCommand } from "../support/command.ts";
import { waitUntil } from "../support/wait.ts";

const root = join(import.meta.dirname, "..", "..");
const bootstrap = join(root, "test", "gate", "bootstrap.mjs");
const demo = [process.execPath, bootstrap, "test/demo/demo.ts"];
const plain = { FORCE_COLOR: undefined, NO_COLOR: undefined };

beforeAll(async () => {
  await ensurePackages({ docker: false });
  await ensureConsul();
}, 900_000);

test("the demo shows what it should, in 80 columns, about 60 lines and no colour", async () => {
  const { exitCode, stdout, stderr } = await runCommand(demo, { allowFailure: true, env: plain });
  expect(stdout).toMatch(/\nAll \d+ observations are as they should be\./);
  expect(stdout).not.toContain("FAILED");
  expect(stdout).not.toContain("\u001B");
  const lines = stdout.split("\n");
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(lines.length).toBeLessThan(65);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
}, 120_000);

test.each([
  { signal: "SIGTERM", exitCode: 143 },
  { signal: "SIGHUP", exitCode: 129 },
] as const)(
  "the demo cleans up after $signal before its command ends",
  async ({ signal, exitCode }) => {
    const running = await startBackground(demo);
    onTestFinished(() => running.kill("SIGTERM"));
    const text = () => running.stdout();
    await waitUntil(() => text().includes("\n1. "), { what: "the first scene", timeoutMs: 60_000 });
    process.kill(running.pid, signal);
    await waitUntil(() => running.exitCode() !== undefined, { what: "the demo to end", timeoutMs: 60_000 });
    expect(running.exitCode()).toBe(exitCode);
    expect(text()).toContain(`\n${signal}: stopping`);
    expect(text()).toContain("ok     no network namespace, process or temporary file is left");
    const [namespace = "none"] = /cnio-node-\w+/.exec(text()) ?? [];
    expect(namespace).not.toBe("none");
    expect((await runCommand(["ip", "netns", "list"])).stdout).not.toContain(namespace);
  },
  120_000,
);
