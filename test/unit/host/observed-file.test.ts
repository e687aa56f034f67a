import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readObserved, writeObserved } from "../../../lib/host/observed-file.ts";
import { createMemoryLog } from "../../fakes/log.ts";
import { auditedBy, connection } from "../observed/fixtures.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "outbound-observed-"));
});
afterEach(() => rmSync(root, { recursive: true }));

test("connections are read as they were written, by nobody else", () => {
  const log = createMemoryLog();
  const all = [connection({ decision: auditedBy("global/a") }), connection()];
  writeObserved(root, all);
  expect(readObserved(root, { log })).toEqual(all);
  expect(statSync(`${root}/observed.json`).mode & 0o777).toBe(0o600);
  expect(log.lines).toEqual([]);
});

test("a file that cannot be used is said and passed over, one that is not there is passed over", () => {
  const log = createMemoryLog();
  expect(readObserved(root, { log })).toEqual([]);
  expect(log.lines).toEqual([]);
  writeFileSync(`${root}/observed.json`, '{"format":1,"conn');
  expect(readObserved(root, { log })).toEqual([]);
  expect(log.lines.map(({ level }) => level)).toEqual(["warn"]);
  writeObserved(root, []);
  expect(readObserved(root, { log })).toEqual([]);
  expect(log.lines).toHaveLength(1);
});
