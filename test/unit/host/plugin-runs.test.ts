import { execFile } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { formatPluginRun, type PluginRun } from "../../../lib/cni/plugin-run.ts";
import { systemClock } from "../../../lib/host/clock.ts";
import { createPluginRunReader, PLUGIN_RUNS_FILE, recordPluginRun } from "../../../lib/host/plugin-runs.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";

const source = join(import.meta.dirname, "..", "..", "..", "lib", "host", "plugin-runs.ts");
const stranger = 12_345;
const added: PluginRun = { verb: "ADD", seconds: 0.034, isFailed: false };
const removed: PluginRun = { verb: "DEL", seconds: 12.5, isFailed: true };
const umaskBefore = process.umask();

let root: string;
let folder: string;
let file: string;
let log: MemoryLog;
/** Each look is ten seconds after the one before. */
let nowMs: number;
const clock = { monotonicMs: () => (nowMs += 10_000) };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cni-outbound-runs-"));
  folder = join(root, "state");
  file = join(folder, PLUGIN_RUNS_FILE);
  mkdirSync(folder, { mode: 0o700 });
  log = createMemoryLog();
  nowMs = 0;
});

afterEach(() => {
  process.umask(umaskBefore);
  rmSync(root, { recursive: true });
});

test("each run is taken once", () => {
  const reader = createPluginRunReader(folder, { clock, log });
  expect(reader.take()).toEqual({ runs: [], damaged: 0 });
  recordPluginRun(folder, added);
  recordPluginRun(folder, removed);
  expect(reader.take()).toEqual({ runs: [added, removed], damaged: 0 });
  expect(reader.take()).toEqual({ runs: [], damaged: 0 });
  recordPluginRun(folder, removed);
  expect(reader.take().runs).toEqual([removed]);
  expect(log.lines).toEqual([]);
});

test("what is recorded while no watcher runs is taken by the next one", () => {
  createPluginRunReader(folder, { clock, log }).take();
  recordPluginRun(folder, added);
  expect(createPluginRunReader(folder, { clock, log }).take().runs).toEqual([added]);
});

test("a plugin that had opened the file before it was taken is not lost", () => {
  const reader = createPluginRunReader(folder, { clock, log });
  recordPluginRun(folder, added);
  const writer = openSync(file, "a");
  reader.take();
  writeSync(writer, formatPluginRun(removed));
  closeSync(writer);
  recordPluginRun(folder, added);
  expect(reader.take().runs).toEqual([removed, added]);
});

test("writers at the same time and a reader beside them lose nothing and mix nothing", async () => {
  const script = `
    const { recordPluginRun } = await import(process.argv[1]);
    for (let i = 0; i < 200; i++) recordPluginRun(process.argv[2], { verb: "ADD", seconds: 0.034, isFailed: false });`;
  const write = () => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, source, folder]);
  const reader = createPluginRunReader(folder, { clock: systemClock, log });
  const running = new Set([write(), write(), write()]);
  for (const writer of running) void writer.finally(() => running.delete(writer));
  const writers = Promise.all(running);
  const taken: PluginRun[] = [];
  while (running.size > 0) {
    const { runs, damaged } = reader.take();
    expect(damaged).toBe(0);
    taken.push(...runs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await writers;
  taken.push(...createPluginRunReader(folder, { clock, log }).take().runs, ...reader.take().runs);
  expect(taken).toEqual(Array.from({ length: 600 }, () => added));
});

test("the file is bounded: where nobody takes them, later runs are left out", () => {
  for (let i = 0; i < 10_000; i++) recordPluginRun(folder, added);
  expect(statSync(file).size).toBeLessThan(64 * 1024 + 100);
  const reader = createPluginRunReader(folder, { clock, log });
  const { runs, damaged } = reader.take();
  expect(damaged).toBe(0);
  expect(runs.length).toBeGreaterThan(3_000);
  recordPluginRun(folder, removed);
  expect(reader.take().runs).toEqual([removed]);
});

test("damaged contents cost the damaged lines alone, and what is cut short is never taken for a shorter time", () => {
  const whole = formatPluginRun(removed);
  for (let length = 2; length < whole.length - 1; length++) {
    writeFileSync(file, whole.slice(0, length));
    recordPluginRun(folder, added);
    expect(createPluginRunReader(folder, { clock, log }).take()).toEqual({ runs: [added], damaged: 1 });
  }
  writeFileSync(file, Buffer.concat([Buffer.alloc(100), Buffer.from([0xff, 0xfe]), Buffer.from("\n-1 done ADD\n")]));
  recordPluginRun(folder, added);
  expect(createPluginRunReader(folder, { clock, log }).take()).toEqual({ runs: [added], damaged: 2 });
});

test.each([0o000, 0o022, 0o777])("its mode is 0600 under umask %o", (umask) => {
  process.umask(umask);
  recordPluginRun(folder, added);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("no folder is made for it, and none that others may write to is used", () => {
  recordPluginRun(join(root, "missing"), added);
  expect(existsSync(join(root, "missing"))).toBe(false);
  chmodSync(folder, 0o777);
  recordPluginRun(folder, added);
  chmodSync(folder, 0o700);
  chownSync(folder, stranger, stranger);
  recordPluginRun(folder, added);
  expect(readdirSync(folder)).toEqual([]);
});

test("what somebody else has put in its place is neither written to, nor believed, nor waited for", () => {
  const victim = join(root, "victim");
  const plant: Readonly<Record<string, () => void>> = {
    link: () => symlinkSync(victim, file),
    "second name": () => linkSync(victim, file),
    folder: () => mkdirSync(file),
    "another's file": () => {
      writeFileSync(file, formatPluginRun(added));
      chownSync(file, stranger, stranger);
    },
  };
  for (const put of Object.values(plant)) {
    writeFileSync(victim, formatPluginRun(added));
    put();
    recordPluginRun(folder, added);
    expect(readFileSync(victim, "utf8")).toBe(formatPluginRun(added));
    const reader = createPluginRunReader(folder, { clock, log });
    expect(reader.take().runs).toEqual([]);
    expect(reader.take().runs).toEqual([]);
    rmSync(file, { recursive: true });
    expect(reader.take().runs).toEqual([]);
  }
  expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual(
    Object.keys(plant).map(() => "warn Cannot read what the plugin recorded of its runs"),
  );
});
