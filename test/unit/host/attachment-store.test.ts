import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  createAttachmentReader,
  createAttachmentStore,
  type AttachmentStore,
} from "../../../lib/host/attachment-store.ts";
import { attachmentChainNames } from "../../../lib/netfilter/names.ts";
import { formatAttachment } from "../../../lib/policy/attachment-record.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { rule } from "../policy/fixtures.ts";

let stateDir: string;
let folder: string;
let log: MemoryLog;
let store: AttachmentStore;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "cni-outbound-store-"));
  folder = join(stateDir, "attachments");
  log = createMemoryLog();
  store = createAttachmentStore(stateDir, { log });
});
afterEach(() => rmSync(stateDir, { recursive: true }));

const one = attachmentOf();
const two = attachmentOf({ containerId: "two" });
const fileOf = (chain: string): string => join(folder, `${chain}.json`);
const nothing = { attachments: [], unreadable: new Set() };

describe("an attachment store", () => {
  test("is empty where its folder is missing", () => {
    expect(store.list()).toEqual(nothing);
    expect(store.find(one)).toBeUndefined();
    expect(store.hasOthers(one.chain)).toBe(false);
    store.remove(one.chain);
    expect(store.chainFor(one)).toBe(one.chain);
  });

  test("gives back what was written, by list and by identity", () => {
    store.write(one);
    store.write(two);
    expect(store.list().attachments).toEqual(expect.arrayContaining([one, two]));
    expect(store.find(two)).toEqual(two);
    expect(readdirSync(folder).toSorted()).toEqual([`${one.chain}.json`, `${two.chain}.json`].toSorted());
  });

  test("forgets what was removed, and nothing else", () => {
    store.write(one);
    store.write(two);
    store.remove(one.chain);
    expect(store.list().attachments).toEqual([two]);
    expect(store.find(one)).toBeUndefined();
  });

  test("clears away what a killed writer had begun, with the record or when it lists, and leaves other files", () => {
    store.write(one);
    store.write(two);
    const foreign = [`${one.chain}.json.tmp`, "notes.json.7.tmp"];
    for (const name of [`${one.chain}.json.7.tmp`, `${two.chain}.json.8.tmp`, ...foreign]) {
      writeFileSync(join(folder, name), "{");
    }
    store.remove(one.chain);
    expect(readdirSync(folder).toSorted()).toEqual(
      [`${two.chain}.json`, `${two.chain}.json.8.tmp`, ...foreign].toSorted(),
    );
    expect(createAttachmentReader(stateDir, { log }).list().attachments).toEqual([two]);
    expect(readdirSync(folder)).toContain(`${two.chain}.json.8.tmp`);
    expect(store.list().attachments).toEqual([two]);
    expect(readdirSync(folder).toSorted()).toEqual([`${two.chain}.json`, ...foreign].toSorted());
  });

  test("knows whether there are others", () => {
    store.write(one);
    expect(store.hasOthers(one.chain)).toBe(false);
    expect(store.hasOthers(two.chain)).toBe(true);
    writeFileSync(join(folder, "notes.json"), "");
    expect(store.hasOthers(one.chain)).toBe(false);
    writeFileSync(join(folder, `${two.chain}.unreadable`), "");
    expect(store.hasOthers(one.chain)).toBe(true);
  });

  test("gives two attachments that ask for one chain different ones, and each its own again", () => {
    const first = attachmentOf({ network: "a", containerId: "bc" });
    const second = attachmentOf({ network: "ab", containerId: "c" });
    expect(first.chain).toBe(second.chain);
    expect(store.chainFor(first)).toBe(first.chain);
    store.write(first);
    const chain = store.chainFor(second);
    expect(chain).toBe(attachmentChainNames(second)[1]);
    store.write({ ...second, chain });
    expect([first, second].map((each) => store.chainFor(each))).toEqual([first.chain, chain]);
    expect(store.find(second)).toEqual({ ...second, chain });
    store.remove(first.chain);
    expect(store.chainFor(second)).toBe(chain);
    expect(store.chainFor(first)).toBe(first.chain);
  });

  test("takes the interface into account", () => {
    store.write(one);
    expect(store.find({ ...one, ifname: "eth1" })).toBeUndefined();
    expect(store.chainFor({ ...one, ifname: "eth1" })).not.toBe(one.chain);
  });

  test("passes over files that are none of its own", () => {
    store.write(one);
    for (const name of ["x.json", `${one.chain}.json.12.tmp`, two.chain, "CNI-OUTBOUND.json"]) {
      writeFileSync(join(folder, name), "{");
    }
    expect(store.list()).toEqual({ attachments: [one], unreadable: new Set() });
    expect(log.lines).toEqual([]);
  });
});

describe("a record that cannot be read", () => {
  test.each([
    ["cut off", () => formatAttachment(two).slice(0, 100)],
    ["empty", () => ""],
    ["of another version", () => formatAttachment(two).replace('"version": 1', '"version": 2')],
    ["that of another chain", () => formatAttachment(one)],
  ])("because it is %s is told once, set aside and listed as unreadable", (_, content) => {
    store.write(one);
    writeFileSync(fileOf(two.chain), content());
    const expected = { attachments: [one], unreadable: new Set([two.chain]) };
    expect(store.list()).toEqual(expected);
    expect(store.list()).toEqual(expected);
    expect(readdirSync(folder)).toContain(`${two.chain}.unreadable`);
    expect(readdirSync(folder)).not.toContain(`${two.chain}.json`);
    expect(log.lines).toMatchObject([{ level: "error", fields: { file: fileOf(two.chain) } }]);
  });

  test("may be a folder, which goes with its chain", () => {
    mkdirSync(`${fileOf(two.chain)}/full`, { recursive: true });
    expect(store.list()).toEqual({ attachments: [], unreadable: new Set([two.chain]) });
    store.remove(two.chain);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("may be a link that leads nowhere", () => {
    mkdirSync(folder);
    symlinkSync("nowhere", fileOf(two.chain));
    expect(store.list().unreadable).toEqual(new Set([two.chain]));
  });

  test("is set aside even over a folder", () => {
    mkdirSync(join(folder, `${two.chain}.unreadable`, "full"), { recursive: true });
    writeFileSync(fileOf(two.chain), "{");
    for (let round = 0; round < 2; round += 1) expect(store.list().unreadable).toEqual(new Set([two.chain]));
    expect(readdirSync(folder)).toEqual([`${two.chain}.unreadable`]);
  });

  test("gives its chain to the attachment when that is added again", () => {
    mkdirSync(folder);
    writeFileSync(fileOf(two.chain), "{");
    expect(store.find(two)).toBeUndefined();
    expect(store.chainFor(two)).toBe(two.chain);
    store.write(two);
    expect(store.list()).toEqual({ attachments: [two], unreadable: new Set() });
  });

  test("stays where it is for who only reads, as CHECK does", () => {
    mkdirSync(folder);
    writeFileSync(fileOf(two.chain), "{");
    expect(store.chainFor(two, { isReadOnly: true })).toBe(two.chain);
    expect(readdirSync(folder)).toEqual([`${two.chain}.json`]);
  });

  test("goes with its chain", () => {
    mkdirSync(folder);
    writeFileSync(fileOf(two.chain), "{");
    store.list();
    store.remove(two.chain);
    expect(readdirSync(folder)).toEqual([]);
    expect(store.list()).toEqual(nothing);
  });

  test("because a folder is in its place makes way for a new one, and goes with its chain", () => {
    for (const name of [`${two.chain}.json`, `${two.chain}.unreadable`]) {
      mkdirSync(join(folder, name, "inside"), { recursive: true });
    }
    expect(store.list()).toEqual({ attachments: [], unreadable: new Set([two.chain]) });
    store.write(two);
    expect(store.list()).toEqual({ attachments: [two], unreadable: new Set() });
    store.remove(two.chain);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("is told of by a store that did not set it aside itself, once", () => {
    store.write(one);
    writeFileSync(join(folder, `${two.chain}.unreadable`), "{");
    store.list();
    writeFileSync(join(folder, "stirs"), "");
    store.list();
    expect(log.lines).toMatchObject([{ level: "error", fields: { file: join(folder, `${two.chain}.unreadable`) } }]);
  });

  test("is a record all the same", () => {
    store.write(one);
    expect(store.isRecorded(two.chain)).toBe(false);
    writeFileSync(fileOf(two.chain), "{");
    store.list();
    expect([one, two].map(({ chain }) => store.isRecorded(chain))).toEqual([true, true]);
  });

  test("stays where it is for a reader", () => {
    mkdirSync(folder);
    writeFileSync(fileOf(two.chain), "{");
    const reader = createAttachmentReader(stateDir, { log });
    expect(reader.list()).toEqual({ attachments: [], unreadable: new Set([two.chain]) });
    expect(readFileSync(fileOf(two.chain), "utf8")).toBe("{");
  });
});

describe("the identity of listed attachments", () => {
  test("stays while the file does, and changes with it", () => {
    store.write(one);
    store.write(two);
    const before = store.list().attachments;
    const again = store.list().attachments;
    expect(again.every((each, index) => each === before[index])).toBe(true);
    store.write({ ...two, sequence: two.sequence + 1 });
    const after = store.list().attachments;
    expect(after.filter((each) => before.includes(each))).toEqual([one]);
    expect(after.find(({ chain }) => chain === two.chain)?.sequence).toBe(two.sequence + 1);
  });

  test("changes where a file of the same size and content is put in its place", () => {
    store.write(one);
    const [before] = store.list().attachments;
    writeFileSync(join(stateDir, "copy"), readFileSync(fileOf(one.chain)));
    renameSync(join(stateDir, "copy"), fileOf(one.chain));
    const [after] = store.list().attachments;
    expect(after).toEqual(before);
    expect(after === before).toBe(false);
  });

  test("extends to lists of rules: attachments with the same rules share them", () => {
    const policy = { staticRules: [rule({ host: "10.0.0.0/8", action: "ACCEPT" })] };
    store.write(attachmentOf({ policy }));
    store.write(attachmentOf({ containerId: "two", policy }));
    const [left, right] = store.list().attachments;
    expect(left?.policy.staticRules === right?.policy.staticRules).toBe(true);
    expect(left?.policy.staticRules).toHaveLength(1);
  });

  test("is not shared between two stores", () => {
    store.write(one);
    const other = createAttachmentStore(stateDir, { log });
    expect(other.list().attachments[0] === store.list().attachments[0]).toBe(false);
  });
});

describe("a store that is listed again and again", () => {
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 120));

  test("gives the same answer while the folder has not changed", async () => {
    store.write(one);
    await settled();
    const first = store.list();
    expect(store.list()).toBe(first);
  });

  test("sees what was written in place once it is told to look closely", async () => {
    store.write(one);
    await settled();
    store.list();
    writeFileSync(join(store.folder, `${one.chain}.json`), "half");
    store.lookClosely();
    expect(store.list()).toMatchObject({ attachments: [], unreadable: new Set([one.chain]) });
  });

  test("sees what comes, is replaced and goes", async () => {
    store.write(one);
    await settled();
    store.list();
    store.write(two);
    expect(store.list().attachments).toHaveLength(2);
    await settled();
    store.list();
    store.write({ ...two, addresses: ["10.88.0.9"] });
    expect(store.list().attachments.flatMap(({ addresses }) => addresses)).toContain("10.88.0.9");
    await settled();
    store.list();
    store.remove(two.chain);
    expect(store.list().attachments).toEqual([one]);
  });
});
