import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAttachmentStore, type AttachmentStore } from "../../../lib/host/attachment-store.ts";
import type { Attachment, Identity } from "../../../lib/policy/attachment.ts";
import { createRecordCompleter, type RecordCompleter } from "../../../watcher/complete-records.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";
import { attachmentOf } from "../../support/attachment.ts";

const web = { region: "global", namespace: "default", job: "web", group: "app" };
const named = attachmentOf({ containerId: "named" });
const nameless = attachmentOf({ containerId: "nameless", identity: {} });
const half = attachmentOf({ containerId: "half", identity: { namespace: "team-a", group: "app" } });

let stateDir: string;
let log: MemoryLog;
let store: AttachmentStore;
let known: Map<string, Identity>;
let isFull: boolean;
let complete: RecordCompleter;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "outbound-complete-"));
  log = createMemoryLog();
  store = createAttachmentStore(stateDir, { log });
  for (const attachment of [named, nameless, half]) store.write(attachment);
  known = new Map();
  isFull = false;
  const write: AttachmentStore["write"] = (attachment) => {
    if (isFull) throw new Error("ENOSPC: no space left on device");
    store.write(attachment);
  };
  complete = createRecordCompleter({ store: { ...store, write }, identityOf: (id) => known.get(id), log });
});
afterEach(() => rmSync(stateDir, { recursive: true }));

function find(attachments: readonly Attachment[], { containerId }: Attachment): Attachment | undefined {
  return attachments.find((each) => each.containerId === containerId);
}

const onDisk = (): readonly Attachment[] => createAttachmentStore(stateDir, { log }).list().attachments;

test("nothing is written while nothing is known", () => {
  expect(complete().attachments).toEqual(store.list().attachments);
  isFull = true;
  known.set("named", { ...web, job: "other" });
  expect(find(complete().attachments, named)).toEqual(named);
  expect(log.lines).toEqual([]);
});

test("what is known goes into the record, and all else of it stays", () => {
  known.set("nameless", web);
  expect(find(complete().attachments, nameless)).toEqual({ ...nameless, identity: web });
  expect(find(onDisk(), nameless)).toEqual({ ...nameless, identity: web });
  expect(find(onDisk(), half)).toEqual(half);
});

test("what CNI_ARGS said goes before it, and a contradiction changes nothing", () => {
  known.set("half", web);
  expect(find(complete().attachments, half)).toEqual(half);
  known.set("half", { ...web, namespace: "team-a" });
  expect(find(complete().attachments, half)?.identity).toEqual({ ...web, namespace: "team-a" });
});

test("a full disk keeps it from the disk only: one line, one object, and it is written when there is room", () => {
  known.set("nameless", web);
  isFull = true;
  const first = find(complete().attachments, nameless);
  expect(first?.identity).toEqual(web);
  expect(find(complete().attachments, nameless)).toBe(first);
  expect(log.lines.map(({ message }) => message)).toEqual([
    "Cannot keep an identity on disk, a restart would not know it",
  ]);
  expect(find(onDisk(), nameless)).toEqual(nameless);
  isFull = false;
  complete();
  expect(find(onDisk(), nameless)?.identity).toEqual(web);
});
