import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readIdentityProblems, writeUnidentified } from "../../../lib/host/unidentified-file.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";

const since = "2026-11-24T06:00:00.000Z";
const unidentified = [{ allocation: "a", since, problem: "refused" }];

let root: string;
let log: MemoryLog;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "outbound-unidentified-"));
  log = createMemoryLog();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("why is read as it was written, and the file goes with the last problem", () => {
  writeUnidentified(root, { unidentified, log });
  expect(readIdentityProblems(root, { log })).toEqual([{ problem: "refused", allocations: ["a"] }]);
  expect(statSync(`${root}/unidentified.json`).mode & 0o777).toBe(0o600);
  writeUnidentified(root, { unidentified: [{ allocation: "a", since }], log });
  expect(readdirSync(root)).toEqual([]);
  expect(readIdentityProblems(root, { log })).toEqual([]);
  expect(log.lines).toEqual([]);
});

test("a file that cannot be read, or written, is said and keeps nothing from going on", () => {
  writeFileSync(`${root}/unidentified.json`, '{"format":1,"prob');
  expect(readIdentityProblems(root, { log })).toEqual([]);
  writeFileSync(`${root}/file`, "");
  writeUnidentified(`${root}/file`, { unidentified, log });
  expect(log.lines.map(({ level }) => level)).toEqual(["warn", "warn"]);
});
