import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { createAttachmentReader, createAttachmentStore } from "../../lib/host/attachment-store.ts";
import { OBSERVED_FILE, readObserved, writeObserved } from "../../lib/host/observed-file.ts";
import { readRuntimeRulesCache, writeRuntimeRulesCache } from "../../lib/host/runtime-rules-cache.ts";
import { formatRuntimeRules } from "../../lib/host/runtime-rules-text.ts";
import { findStateFiles } from "../../lib/host/state-files.ts";
import { formatObserved } from "../../lib/observed/connection.ts";
import { formatAttachment } from "../../lib/policy/attachment-record.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import { createMemoryLog } from "../fakes/log.ts";
import { attachmentOf } from "../support/attachment.ts";
import { FOLDER_CORPUS } from "./corpus/state-files.ts";
import { fuzz } from "./support/campaign.ts";
import { claim, claimSame } from "./support/claim.ts";
import { CACHED, RECORDED } from "./support/good-state.ts";
import { sabotage, sabotages, type Sabotage, type SabotagedFile } from "./support/sabotage.ts";

const attachments = [RECORDED, attachmentOf({ containerId: "two" }), attachmentOf({ containerId: "three" })];
const WRITTEN_MS = 1;

fuzz("a node's state and cache folders", {
  inputs: { short: 1000, long: 12_000 },
  arbitrary: sabotages(),
  corpus: FOLDER_CORPUS,
  check: (all) => {
    const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "cni-outbound-state-"));
    try {
      checkFolder(directory, all);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
});

function checkFolder(directory: string, all: readonly Sabotage[]): void {
  const files = filesIn(directory);
  for (const folder of [`${directory}/state/attachments`, `${directory}/cache`])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const { path, content } of files.filter(({ path: each }) => each.endsWith(".json"))) {
    writeFileSync(path, content, { mode: 0o600 });
  }
  const hit = all.map((each) => sabotage(files, each));
  const log = createMemoryLog();
  const settings = { log, readOnly: true, nowMs: WRITTEN_MS };
  const store = createAttachmentStore(`${directory}/state`, { log });

  const isHit = ({ chain }: Attachment): boolean => hit.some((path) => path?.includes(chain));
  const untouched = attachments.filter((each) => !isHit(each));
  const present = attachments.filter(({ chain }) => {
    const folder = `${directory}/state/attachments`;
    return [`${chain}.json`, `${chain}.unreadable`].some((name) => isThere(`${folder}/${name}`));
  });
  // Twice: what was set aside the first time is there the second time.
  for (const list of [createAttachmentReader(`${directory}/state`, { log }).list, store.list, store.list]) {
    const listed = list();
    claim(
      listed.attachments.every((each) => isOneOf(each, attachments)),
      "only what was written is listed",
    );
    claim(
      untouched.every((each) => isOneOf(each, listed.attachments)),
      "who was not touched is listed",
    );
    for (const { chain } of present) {
      const isListed = listed.attachments.some((each) => each.chain === chain);
      claim(isListed !== listed.unreadable.has(chain), "what is there is listed, or told as unreadable", chain);
    }
  }
  for (const each of attachments) {
    const found = store.find(each);
    claim(found === undefined || isOneOf(found, attachments), "what is found is what was written", found);
    claim(isHit(each) || found !== undefined, "who was not touched is found");
    store.chainFor(each);
    store.hasOthers(each.chain);
  }

  const rules = readRuntimeRulesCache(`${directory}/cache`, settings);
  if (rules !== undefined) claimSame(rules, CACHED, "cached rules are those that were written");
  readRuntimeRulesCache(`${directory}/cache`, { ...settings, readOnly: false });
  readObserved(`${directory}/state`, { log });
  findStateFiles({ stateDir: `${directory}/state`, cacheDir: `${directory}/cache` });
  writeAll(directory);
  for (const each of attachments) store.remove(each.chain);
  claimSame(store.list(), { attachments: [], unreadable: new Set() }, "after DEL nothing is left");
}

function isOneOf(attachment: Attachment, all: readonly Attachment[]): boolean {
  return all.some((each) => isDeepStrictEqual(each, attachment));
}

/** Links that lead nowhere too. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Writes succeed, or fail with a reason that says what could not be written. */
function writeAll(directory: string): void {
  const store = createAttachmentStore(`${directory}/state`, { log: createMemoryLog() });
  const writes = [
    () => writeRuntimeRulesCache(`${directory}/cache`, { rules: CACHED, nowMs: WRITTEN_MS }),
    () => writeObserved(`${directory}/state`, []),
    ...attachments.map((each) => () => store.write(each)),
  ];
  for (const write of writes) {
    try {
      write();
    } catch (error) {
      claim(
        error instanceof Error && error.message.startsWith("Cannot write "),
        "a failed write says so",
        String(error),
      );
    }
  }
}

/** Those that are written, and those that only a node with troubles has. */
function filesIn(directory: string): readonly SabotagedFile[] {
  const records = attachments.flatMap((each) => [
    { path: `${directory}/state/attachments/${each.chain}.json`, content: formatAttachment(each) },
    { path: `${directory}/state/attachments/${each.chain}.unreadable`, content: "{" },
  ]);
  const temporary = `.json.${process.pid}.tmp`;
  const cache = `${directory}/cache/runtime-rules`;
  const cacheText = formatRuntimeRules(CACHED, { latestMs: WRITTEN_MS });
  return [
    ...records,
    { path: `${cache}.json`, content: cacheText },
    { path: `${cache}.json.bad-1`, content: cacheText },
    { path: `${cache}${temporary}`, content: cacheText },
    { path: `${directory}/state/${OBSERVED_FILE}`, content: formatObserved([]) },
    { path: `${directory}/state/attachments/${RECORDED.chain}${temporary}`, content: "" },
  ];
}
