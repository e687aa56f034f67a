import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { readConfigFolder } from "../../../lib/host/config-folder.ts";
import { readFileModes } from "../../../lib/host/file-modes.ts";
import { readKernelSetting } from "../../../lib/host/kernel-settings.ts";
import { isLockHeld } from "../../../lib/host/lock-holder.ts";
import { withLock } from "../../../lib/host/lock.ts";
import { readPluginFile } from "../../../lib/host/plugin-file.ts";
import { awaitFact, mapFact, readFact } from "../../../lib/host/read-fact.ts";
import { fetchReady } from "../../../lib/host/watcher-ready.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cni-outbound-ports-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("a lock", () => {
  const name = `cni-outbound-test-${process.pid}`;

  test("is seen as held exactly while it is, and not disturbed", async () => {
    expect(isLockHeld(name)).toBe(false);
    await withLock(name, {
      timeoutMs: 1000,
      work: async () => {
        expect(isLockHeld(name)).toBe(true);
        expect(isLockHeld(name.slice(0, -1))).toBe(false);
      },
    });
    expect(isLockHeld(name)).toBe(false);
  });

  test("is not held by who waits for it", async () => {
    await withLock(name, {
      timeoutMs: 1000,
      work: async () => {
        const waiting = connect(`\0${name}`);
        await new Promise((resolve) => waiting.once("connect", resolve));
        expect(isLockHeld(name)).toBe(true);
        waiting.destroy();
      },
    });
    expect(isLockHeld(name)).toBe(false);
  });
});

describe("a fact", () => {
  test("is what was read, or why it was not", async () => {
    expect(readFact(() => 1)).toBe(1);
    expect(await awaitFact(Promise.resolve(2))).toBe(2);
    const broken = (): string => {
      throw new Error("broken");
    };
    expect(readFact(broken)).toEqual({ unread: "broken" });
    expect(await awaitFact(Promise.reject(new Error("gone")))).toEqual({ unread: "gone" });
    expect(mapFact({ unread: "gone" }, () => 3)).toEqual({ unread: "gone" });
    expect(mapFact(1, (value: number) => value + 1)).toBe(2);
  });

  test("that only root may read says so", () => {
    const refused = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
    expect(
      readFact(() => {
        throw refused;
      }),
    ).toEqual({ unread: "needs root" });
  });

  test("that took too long says so", async () => {
    const endless = sleep(60_000, undefined, { signal: AbortSignal.timeout(1) }).catch((error: Error) => {
      throw error.cause instanceof Error ? error.cause : error;
    });
    expect(await awaitFact(endless)).toEqual({ unread: "no answer in time" });
  });
});

test("a setting that the kernel does not have is undefined", () => {
  expect(readKernelSetting("kernel/ostype")).toBe("Linux");
  expect(readKernelSetting("net/bridge/no-such-setting")).toBeUndefined();
});

test("a folder of configurations is read by name, without other files and folders", () => {
  for (const name of ["b.conflist", "a.conf", "c.json", "d.conflist.bak", "README"])
    writeFileSync(join(folder, name), name);
  mkdirSync(join(folder, "x.conflist"));
  expect(readConfigFolder(folder)?.map(({ name }) => name)).toEqual(["a.conf", "b.conflist", "c.json"]);
  expect(readConfigFolder(join(folder, "none"))).toBeUndefined();
});

test("modes are of our own folders and files, as far as they are there", () => {
  const [stateDir, cacheDir] = [join(folder, "state"), join(folder, "cache")];
  mkdirSync(stateDir, { mode: 0o700 });
  mkdirSync(cacheDir);
  chmodSync(cacheDir, 0o755);
  writeFileSync(join(cacheDir, "runtime-rules.json"), "");
  chmodSync(join(cacheDir, "runtime-rules.json"), 0o640);
  writeFileSync(join(cacheDir, "other"), "");
  expect(readFileModes({ stateDir, cacheDir })).toEqual([
    { path: stateDir, isFolder: true, mode: 0o700 },
    { path: cacheDir, isFolder: true, mode: 0o755 },
    { path: join(cacheDir, "runtime-rules.json"), isFolder: false, mode: 0o640 },
  ]);
});

describe("a plugin's executable", () => {
  const signal = AbortSignal.timeout(10_000);
  const write = (path: string, script: string, mode: number): void => {
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, mode);
  };

  test("is the first file of that name, and says what it is", async () => {
    const [first, second] = [join(folder, "first"), join(folder, "second")];
    mkdirSync(join(first, "outbound"), { recursive: true });
    mkdirSync(second);
    write(join(second, "outbound"), 'echo "command ${CNI_COMMAND-none}" >&2', 0o755);
    expect(await readPluginFile("outbound", { folders: [first, second], signal })).toEqual({
      path: join(second, "outbound"),
      isExecutable: true,
      about: "command none\n",
    });
    expect(await readPluginFile("outbound", { folders: [first], signal })).toBeUndefined();
  });

  test("that fails or may not be run is told so", async () => {
    write(join(folder, "fails"), "exit 3", 0o755);
    write(join(folder, "plain"), "exit 0", 0o644);
    expect(await readPluginFile("fails", { folders: [folder], signal })).toMatchObject({
      about: { unread: "it ends with 3" },
    });
    expect(await readPluginFile("plain", { folders: [folder], signal })).toMatchObject({ isExecutable: false });
  });
});

describe("the watcher's /ready", () => {
  const signal = AbortSignal.timeout(10_000);

  test("is read whatever its status", async () => {
    const port = await listen(
      createServer((request, response) => response.writeHead(503).end(`not ready: ${request.url}`)),
    );
    expect(await fetchReady({ port }, { signal })).toBe("not ready: /ready");
  });

  test("that nobody serves, or that never ends, is an error that goes after the address", async () => {
    const port = await listen(createServer((_request, response) => response.write("{")));
    await expect(fetchReady({ port }, { signal })).rejects.toThrow("does not answer within 2000 ms");
    await expect(fetchReady({ port: 1 }, { signal })).rejects.toThrow("is not listened on");
  });
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
