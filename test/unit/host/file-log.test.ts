import { spawnSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFileLog } from "../../../lib/host/file-log.ts";

const MODULE = join(import.meta.dirname, "../../../lib/host/file-log.ts");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cni-outbound-log-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("createFileLog", () => {
  test("writes JSON lines to a file a day, in a folder that it makes", () => {
    const directory = join(folder, "cni", "logs");
    let nowMs = Date.parse("2026-11-24T23:59:59.999Z");
    const log = createFileLog({ directory, nowMs: () => nowMs });
    log.info({ allocation: "a" }, "one");
    log.warn({}, "two");
    nowMs += 1;
    log.error({ error: "x\ny" }, "three");
    expect(readdirSync(directory).toSorted()).toEqual(["outbound-2026-11-24.log", "outbound-2026-11-25.log"]);
    expect(linesOf(join(directory, "outbound-2026-11-24.log"))).toEqual([
      { level: "info", time: "2026-11-24T23:59:59.999Z", allocation: "a", msg: "one" },
      { level: "warn", time: "2026-11-24T23:59:59.999Z", msg: "two" },
    ]);
    expect(linesOf(join(directory, "outbound-2026-11-25.log"))).toEqual([
      { level: "error", time: "2026-11-25T00:00:00.000Z", error: "x\ny", msg: "three" },
    ]);
    expect(statSync(join(directory, "outbound-2026-11-24.log")).mode & 0o007).toBe(0);
  });

  test("writes to stderr, and throws nothing, where the folder cannot be made", () => {
    writeFileSync(join(folder, "file"), "");
    expect(stderrOf({ directory: join(folder, "file", "logs") })).toEqual(["info", "warn", "error"]);
  });

  test("follows no link and waits for no pipe that somebody put in its place", () => {
    const date = "1970-01-01";
    const file = join(folder, `outbound-${date}.log`);
    writeFileSync(join(folder, "victim"), "as it was");
    symlinkSync(join(folder, "victim"), file);
    expect(stderrOf({ directory: folder })).toEqual(["info", "warn", "error"]);
    expect(readFileSync(join(folder, "victim"), "utf8")).toBe("as it was");
    unlinkSync(file);
    spawnSync("sh", ["-c", 'mkfifo "$0"', file]);
    expect(stderrOf({ directory: folder })).toEqual(["info", "warn", "error"]);
  });

  test("writes warnings and errors to stderr where there is no folder", () => {
    expect(stderrOf({})).toEqual(["warn", "error"]);
  });

  test("writes nothing to stderr where the file takes it", () => {
    expect(stderrOf({ directory: join(folder, "logs") })).toEqual([]);
  });

  test("goes on where nobody listens on stderr", () => {
    const { status } = run({}, { closesStderr: true });
    expect(status).toBe(0);
  });
});

function linesOf(file: string): readonly unknown[] {
  return readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
}

interface RunOptions {
  readonly directory?: string;
}

/** Levels of the lines that a process with such a log leaves on stderr. */
function stderrOf(options: RunOptions): readonly string[] {
  const { status, stderr } = run(options, { closesStderr: false });
  expect(status).toBe(0);
  return Array.from(stderr.matchAll(/"level":"(\w+)"/g), ([, level = ""]) => level);
}

function run({ directory }: RunOptions, { closesStderr }: { readonly closesStderr: boolean }) {
  const script = `
    import { createFileLog } from ${JSON.stringify(MODULE)};
    const log = createFileLog({ directory: ${JSON.stringify(directory)}, nowMs: () => 0 });
    log.info({}, "one");
    log.warn({}, "two");
    log.error({}, "three");
  `;
  const argv = [process.execPath, "--input-type=module", "--eval", script];
  const env = { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" };
  const redirected = closesStderr ? 'exec "$@" 2>&-' : 'exec "$@"';
  return spawnSync("sh", ["-c", redirected, "sh", ...argv], { encoding: "utf8", env });
}
