import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { LockTimeoutError, withLock } from "../../../lib/host/lock.ts";

const MODULE = join(import.meta.dirname, "../../../lib/host/lock.ts");
const timeoutMs = 10_000;
let name: string;
beforeEach(() => {
  name = `cni-outbound-test-${randomUUID()}`;
});

describe("withLock", () => {
  test("gives the work's result, and the lock back", async () => {
    expect(await withLock(name, { timeoutMs, work: async () => 1 })).toBe(1);
    expect(await withLock(name, { timeoutMs: 0, work: async () => 2 })).toBe(2);
  });

  test("gives the lock back where the work fails, and throws what it threw", async () => {
    const failing = withLock(name, { timeoutMs, work: () => Promise.reject(new Error("broken")) });
    await expect(failing).rejects.toThrow("broken");
    expect(await withLock(name, { timeoutMs: 0, work: async () => 2 })).toBe(2);
  });

  test("lets one work at a time, and all of them in the end", async () => {
    let running = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++running);
      await sleep(5);
      running--;
    };
    await Promise.all(Array.from({ length: 20 }, () => withLock(name, { timeoutMs, work })));
    expect({ running, most }).toEqual({ running: 0, most: 1 });
  });

  test("keeps locks of different names apart", async () => {
    const inner = () => withLock(`${name}-other`, { timeoutMs: 0, work: async () => "both" });
    expect(await withLock(name, { timeoutMs, work: inner })).toBe("both");
  });

  test("gives up after its time, and does not work", async () => {
    let isDone = false;
    const inner = () => withLock(name, { timeoutMs: 30, work: async () => void (isDone = true) });
    const outer = withLock(name, { timeoutMs, work: inner });
    await expect(outer).rejects.toThrow(LockTimeoutError);
    await expect(outer).rejects.toThrow(`Cannot take lock ${name}: still held after 30 ms`);
    expect(isDone).toBe(false);
  });

  test("stops waiting when it is told to", async () => {
    const controller = new AbortController();
    const startedMs = performance.now();
    const outer = withLock(name, {
      timeoutMs,
      work: async () => {
        const inner = withLock(name, { timeoutMs, work: async () => {}, signal: controller.signal });
        controller.abort();
        await expect(inner).rejects.toThrow(LockTimeoutError);
      },
    });
    await outer;
    expect(performance.now() - startedMs).toBeLessThan(timeoutMs / 2);
  });

  test("waits for another process, and takes over at once when that is killed", async () => {
    const owner = await startOwner();
    const waiting = withLock(name, { timeoutMs, work: async () => performance.now() });
    await expect(withLock(name, { timeoutMs: 50, work: async () => {} })).rejects.toThrow(LockTimeoutError);
    const killedMs = performance.now();
    owner.kill("SIGKILL");
    const takenMs = await waiting;
    expect(takenMs).toBeGreaterThanOrEqual(killedMs);
    expect(takenMs - killedMs).toBeLessThan(2_000);
  });

  test("waits on for a child that inherited the lock from one that is killed", async () => {
    const { owner, childPid } = await startOwnerWithChild();
    let isTaken = false;
    const waiting = withLock(name, { timeoutMs, work: async () => void (isTaken = true) });
    owner.kill("SIGKILL");
    await once(owner, "exit");
    await expect(withLock(name, { timeoutMs: 100, work: async () => {} })).rejects.toThrow(LockTimeoutError);
    expect(isTaken).toBe(false);
    process.kill(childPid, "SIGKILL");
    await waiting;
    expect(isTaken).toBe(true);
  });

  test("lets one of many waiters in at a time when an owner is killed", async () => {
    const owner = await startOwner();
    let running = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++running);
      await sleep(2);
      running--;
    };
    const waiting = Promise.all(Array.from({ length: 10 }, () => withLock(name, { timeoutMs, work })));
    await sleep(50);
    owner.kill("SIGKILL");
    await waiting;
    expect({ running, most }).toEqual({ running: 0, most: 1 });
  });
});

/** A process that holds the lock until it is killed. */
async function startOwner(): Promise<ChildProcess> {
  return (await startHolding('console.log("held")')).owner;
}

/** The same with a child that inherits the lock. */
async function startOwnerWithChild(): Promise<{ readonly owner: ChildProcess; readonly childPid: number }> {
  const { owner, said } = await startHolding(`
    const stdio = ["ignore", "ignore", "ignore", findLockDescriptor(name)];
    const child = spawn("sleep", ["60"], { stdio });
    child.on("spawn", () => console.log(child.pid));
  `);
  const childPid = Number(said);
  return { owner, childPid };
}

async function startHolding(action: string): Promise<{ readonly owner: ChildProcess; readonly said: string }> {
  const script = `
    import { spawn } from "node:child_process";
    import { findLockDescriptor } from ${JSON.stringify(join(MODULE, "../lock-holder.ts"))};
    import { withLock } from ${JSON.stringify(MODULE)};
    const name = ${JSON.stringify(name)};
    await withLock(name, { timeoutMs: 10_000, work: () => new Promise(() => { ${action} }) });
  `;
  const env = { ...process.env, NODE_OPTIONS: "" };
  const argv = ["--input-type=module", "--eval", script];
  const owner = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"], env });
  onTestFinished(() => void owner.kill("SIGKILL"));
  const said = await new Promise<string>((resolve) => owner.stdout.setEncoding("utf8").once("data", resolve));
  return { owner, said };
}
