import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAttachmentStore } from "../../../lib/host/attachment-store.ts";
import { silentLog } from "../../../lib/host/log.ts";
import { writeObserved } from "../../../lib/host/observed-file.ts";
import { writeRuntimeRulesCache } from "../../../lib/host/runtime-rules-cache.ts";
import { findStateFiles, removeStateFiles } from "../../../lib/host/state-files.ts";
import { writeUnidentified } from "../../../lib/host/unidentified-file.ts";
import { attachmentWith } from "../inspect/fixtures.ts";

let root: string;
let folders: { readonly stateDir: string; readonly cacheDir: string };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "outbound-state-"));
  folders = { stateDir: join(root, "state"), cacheDir: join(root, "cache") };
});

afterEach(() => rmSync(root, { recursive: true }));

function fill(): void {
  const { stateDir, cacheDir } = folders;
  const { chain } = attachmentWith();
  createAttachmentStore(stateDir, { log: silentLog }).write(attachmentWith());
  writeObserved(stateDir, []);
  writeUnidentified(stateDir, { unidentified: [{ allocation: "a", since: "", problem: "refused" }], log: silentLog });
  writeRuntimeRulesCache(cacheDir, { rules: { node: "n1", ruleSets: [] }, nowMs: 0 });
  for (const name of [`${chain}.unreadable`, `${chain}.json.77.tmp`])
    writeFileSync(`${stateDir}/attachments/${name}`, "");
  writeFileSync(`${stateDir}/observed.json.77.tmp`, "");
  for (const name of ["runtime-rules.json.bad-1", "runtime-rules.json.77.tmp"])
    writeFileSync(`${cacheDir}/${name}`, "");
}

test("whatever the plugin and the watcher write is found and removed, folders included", () => {
  fill();
  const files = findStateFiles(folders);
  expect(files).toHaveLength(9);
  const { removed, left } = removeStateFiles(folders);
  expect(removed).toEqual([...files, `${folders.stateDir}/attachments`, folders.stateDir, folders.cacheDir]);
  expect(left).toEqual([]);
  expect(readdirSync(root)).toEqual([]);
});

test("what is not ours stays, and the folder with it", () => {
  fill();
  writeFileSync(`${folders.stateDir}/attachments/notes.json`, "");
  writeFileSync(`${folders.stateDir}/observed.json.mine`, "");
  mkdirSync(`${folders.cacheDir}/other`);
  const { left } = removeStateFiles(folders);
  expect(left).toEqual([`${folders.stateDir}/attachments`, folders.stateDir, folders.cacheDir]);
  expect(readdirSync(folders.stateDir)).toEqual(["attachments", "observed.json.mine"]);
  expect(readdirSync(`${folders.stateDir}/attachments`)).toEqual(["notes.json"]);
  expect(readdirSync(folders.cacheDir)).toEqual(["other"]);
});

test("where nothing is there is nothing to remove, twice", () => {
  expect(findStateFiles(folders)).toEqual([]);
  expect(removeStateFiles(folders)).toEqual({ removed: [], left: [] });
});
