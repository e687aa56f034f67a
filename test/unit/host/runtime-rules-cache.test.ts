import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readRuntimeRulesCache, writeRuntimeRulesCache } from "../../../lib/host/runtime-rules-cache.ts";
import { formatRuntimeRules, parseRuntimeRules } from "../../../lib/host/runtime-rules-text.ts";
import { closeIfExpired } from "../../../lib/policy/expiry.ts";
import { parseRuleSetJson } from "../../../lib/policy/rule-set.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";
import { parseKey } from "../../../lib/policy/scope.ts";
import { createMemoryLog } from "../../fakes/log.ts";

let cacheDir: string;
let file: string;

beforeEach(async () => {
  cacheDir = join(await mkdtemp(join(tmpdir(), "outbound-cache-")), "cache");
  file = join(cacheDir, "runtime-rules.json");
});

afterEach(() => rm(join(cacheDir, ".."), { recursive: true, force: true }));

const WRITTEN_MS = Date.parse("2026-11-24T12:00:00Z");

function write(written: RuntimeRules, nowMs = WRITTEN_MS): void {
  writeRuntimeRulesCache(cacheDir, { rules: written, nowMs });
}

function ruleSet(key: string, json: unknown): RuntimeRuleSet {
  const parsedKey = parseKey(key);
  const parsed = parseRuleSetJson(json);
  if (parsedKey.kind !== "rule-set" || !parsed.ok) throw new Error(`${key} is no good example`);
  return { key, scope: parsedKey.scope, name: parsedKey.name, modifyIndex: 7, ruleSet: parsed.value };
}

const rules: RuntimeRules = {
  node: 'node "one"\n',
  ruleSets: [
    ruleSet("global/deny", { host: "10.0.0.0/8", action: "DROP", comment: 'a "quoted"\ncomment, with ]}' }),
    ruleSet("namespace/default/job/web/allow-db", {
      rules: [{ host: ["10.1.2.0/24", "2001:db8::/32"], proto: "tcp", port: "80,443,8000-8100", action: "ACCEPT" }],
      mode: "audit",
      expiresAt: "2026-12-31T18:00:00Z",
      description: "é",
    }),
  ],
};

function read({ readOnly = false, log = createMemoryLog(), nowMs = WRITTEN_MS } = {}): RuntimeRules | undefined {
  return readRuntimeRulesCache(cacheDir, { log, readOnly, nowMs });
}

test("what was written is read back, and replaces what was there", () => {
  write({ node: "n", ruleSets: [] });
  expect(read()).toEqual({ node: "n", ruleSets: [] });

  write(rules);
  expect(read()).toEqual(rules);
});

test("the file is JSON, and only its owner may read it", async () => {
  write(rules);

  expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ format: 1, ruleSets: [{ key: "global/deny" }, {}] });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(cacheDir)).mode & 0o777).toBe(0o700);
  expect(await readdir(cacheDir)).toEqual(["runtime-rules.json"]);
});

test("no file is no cache, and nothing to log", () => {
  const log = createMemoryLog();

  expect(read({ log })).toBeUndefined();
  expect(log.lines).toEqual([]);
});

test("only the chosen keys are read, by the file's own node", () => {
  write(rules);
  const nodes: string[] = [];
  const choose = (node: string) => {
    nodes.push(node);
    return (key: string) => key.startsWith("namespace/default/");
  };

  const read = readRuntimeRulesCache(cacheDir, { log: createMemoryLog(), readOnly: true, nowMs: WRITTEN_MS, choose });

  expect(read?.ruleSets).toEqual(rules.ruleSets.slice(1));
  expect(nodes).toEqual([rules.node]);
});

const bad: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["binary", "\u0000\u0001\u0002"],
  ["other JSON", '{"a": 1}\n]}\n'],
  ["another format", formatRuntimeRules(rules, { latestMs: WRITTEN_MS }).replace('"format":1', '"format":2')],
  ["no node", formatRuntimeRules(rules, { latestMs: WRITTEN_MS }).replace('"node":', '"nude":')],
  ["a line that is no rule set", formatRuntimeRules(rules, { latestMs: WRITTEN_MS }).replace("\n", "\n17,\n")],
  ["a damaged line", formatRuntimeRules(rules, { latestMs: WRITTEN_MS }).replace('"modifyIndex":7', '"modifyIndex":')],
  ["a key of no scope", formatRuntimeRules(rules, { latestMs: WRITTEN_MS }).replace("global/deny", "globe/deny")],
  [
    "an index that is no number",
    formatRuntimeRules(rules, { latestMs: WRITTEN_MS }).replace('"modifyIndex":7', '"modifyIndex":"7"'),
  ],
];

test.each(bad)("a file with %s is set aside with a log line", async (_, text) => {
  await mkdir(cacheDir);
  await writeFile(file, text);
  const log = createMemoryLog();

  expect(read({ log })).toBeUndefined();

  expect(log.lines).toMatchObject([{ level: "error", fields: { file } }]);
  expect(await readdir(cacheDir)).toEqual(["runtime-rules.json.bad-1"]);
  expect(await readFile(`${file}.bad-1`, "utf8")).toBe(text);
});

test("a file that was cut at any point is never taken for a whole one", () => {
  const text = formatRuntimeRules(rules, { latestMs: WRITTEN_MS });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: text.length - 1 }), (length) => {
      expect(() => parseRuntimeRules(text.slice(0, length), { choose: () => () => true })).toThrow(Error);
    }),
  );
});

test("a reader that may only read leaves a bad file where it is", async () => {
  await mkdir(cacheDir);
  await writeFile(file, "half");
  const log = createMemoryLog();

  expect(read({ log, readOnly: true })).toBeUndefined();

  expect(log.lines).toHaveLength(1);
  expect(await readdir(cacheDir)).toEqual(["runtime-rules.json"]);
});

test("of many bad files the last three are kept", async () => {
  await mkdir(cacheDir);
  for (let round = 1; round <= 12; round += 1) {
    await writeFile(file, `bad ${round}`);
    read();
  }

  const names = (await readdir(cacheDir)).toSorted();
  expect(names).toEqual([10, 11, 12].map((number) => `runtime-rules.json.bad-${number}`));
  expect(await readFile(`${file}.bad-12`, "utf8")).toBe("bad 12");
});

test("a directory in the file's place is set aside too", async () => {
  await mkdir(file, { recursive: true });

  expect(read()).toBeUndefined();
  write(rules);

  expect(read()).toEqual(rules);
});

test("a rule set that this version refuses is left out with a log line, and the others are read", async () => {
  const allow = ruleSet("global/allow", { proto: "tcp", port: 80, action: "ACCEPT" });
  const tooHigh = allow.ruleSet.rules.map((rule) => ({ ...rule, ports: [{ first: 70_000, last: 70_000 }] }));
  const later = { ...allow, ruleSet: { ...allow.ruleSet, rules: tooHigh } };
  write({ ...rules, ruleSets: [later, ...rules.ruleSets] });
  const log = createMemoryLog();

  expect(read({ log })).toEqual(rules);

  expect(log.lines).toMatchObject([{ level: "error", fields: { key: "global/allow" } }]);
  expect(await readdir(cacheDir)).toEqual(["runtime-rules.json"]);
});

test.each([
  ["an address", "10.0.0.0/8", "11.0.0.0/8"],
  ["a time", "2026-12-31", "2036-12-31"],
  ["a key", "default/job/web", "default/job/wea"],
  ["the clock", `"latestMs":${WRITTEN_MS}`, `"latestMs":${WRITTEN_MS - 1}`],
  ["the checksum's name", '"checksum"', '"checksun"'],
])("a file in which %s was damaged into another is not trusted", async (_, from, to) => {
  write(rules);
  const text = await readFile(file, "utf8");
  expect(text).toContain(from);
  await writeFile(file, text.replace(from, to));

  expect(read()).toBeUndefined();

  expect(await readdir(cacheDir)).toEqual(["runtime-rules.json.bad-1"]);
});

test("a file that cannot be replaced fails the write and leaves nothing half done", async () => {
  await mkdir(join(file, "in-the-way"), { recursive: true });

  expect(() => write({ node: "n", ruleSets: [] })).toThrow(/Cannot write/);
  expect(await readdir(cacheDir)).toEqual(["runtime-rules.json"]);
});

describe("rule sets that expire", () => {
  const expiring = ruleSet("global/expires", {
    rules: [
      { host: "10.0.0.1", action: "ACCEPT" },
      { host: "10.0.0.2", action: "DROP" },
    ],
    expiresAt: "2026-11-24T13:00:00Z",
  });
  const actions = (nowMs: number, log = createMemoryLog()) =>
    read({ nowMs, log })?.ruleSets.map((each) => each.ruleSet.rules.map(({ action }) => action));

  test("let nothing through while the clock is behind the file, and that is said", () => {
    write({ node: "n", ruleSets: [expiring, ...rules.ruleSets.slice(0, 1)] });
    const log = createMemoryLog();

    expect(actions(WRITTEN_MS - 1, log)).toEqual([["DROP"], ["DROP"]]);
    expect(log.lines).toMatchObject([{ level: "warn", fields: { latest: "2026-11-24T12:00:00.000Z" } }]);
    expect(actions(WRITTEN_MS)).toEqual([["ACCEPT", "DROP"], ["DROP"]]);
  });

  test("and so after the file was written again with a clock that was set back", () => {
    write({ node: "n", ruleSets: [expiring] });
    write({ node: "n", ruleSets: [expiring] }, 0);

    expect(actions(WRITTEN_MS - 1)).toEqual([["DROP"]]);
  });

  test("that were seen to have expired are so for the next start too", () => {
    const closed = closeIfExpired(expiring, Date.parse("2026-11-24T13:00:00Z"));
    write({ node: "n", ruleSets: [closed] });

    expect(read()?.ruleSets).toEqual([closed]);
  });
});
