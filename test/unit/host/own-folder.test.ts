import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readOwnFile, writeFileAtomically } from "../../../lib/host/atomic-file.ts";
import { ensureOwnFolder } from "../../../lib/host/own-folder.ts";

const stranger = 12_345;
const umaskBefore = process.umask();

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cni-outbound-own-"));
  folder = join(root, "state");
});
afterEach(() => {
  process.umask(umaskBefore);
  rmSync(root, { recursive: true });
});

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}

function make(path: string, mode: number): void {
  mkdirSync(path);
  chmodSync(path, mode);
}

describe("a folder of ours", () => {
  test.each([0o000, 0o022, 0o077, 0o777])(
    "is made for its owner alone under umask %o, and so are its files",
    (umask) => {
      process.umask(umask);
      writeFileAtomically(join(folder, "attachments", "x.json"), "content");
      expect([folder, `${folder}/attachments`, `${folder}/attachments/x.json`].map(modeOf)).toEqual([
        "700",
        "700",
        "600",
      ]);
    },
  );

  test.each([0o755, 0o777, 0o1777, 0o500])(
    "that was there with mode %o is closed where nothing else is in it",
    (mode) => {
      make(folder, mode);
      writeFileSync(join(folder, "observed.json"), "{}");
      ensureOwnFolder(folder);
      expect(modeOf(folder)).toBe("700");
    },
  );

  test("that others share keeps its rights, where they may only read", () => {
    make(folder, 0o755);
    writeFileSync(join(folder, "theirs"), "");
    writeFileAtomically(join(folder, "runtime-rules.json"), "{}");
    expect([modeOf(folder), modeOf(join(folder, "runtime-rules.json"))]).toEqual(["755", "600"]);
  });

  test.each([0o777, 0o1777, 0o775])("that others share and may write to, with mode %o, is refused", (mode) => {
    make(folder, mode);
    writeFileSync(join(folder, "theirs"), "");
    expect(() => writeFileAtomically(join(folder, "observed.json"), "{}")).toThrow(
      `Cannot write ${folder}/observed.json: Cannot trust ${folder}: found user ${process.geteuid?.()}, 0${mode.toString(8)}, expected one that only root may write to`,
    );
    expect(modeOf(folder)).toBe(mode.toString(8));
  });

  test("that belongs to somebody else is refused, whatever its mode", () => {
    make(folder, 0o700);
    chownSync(folder, stranger, stranger);
    expect(() => ensureOwnFolder(folder)).toThrow(`Cannot trust ${folder}: found user ${stranger}, 0700`);
    expect(() => ensureOwnFolder(join(folder, "attachments"))).toThrow(
      `Cannot trust ${folder}: found user ${stranger}`,
    );
  });

  test("below one in which others could put another in its place is refused", () => {
    chmodSync(root, 0o777);
    expect(() => ensureOwnFolder(folder)).toThrow(`Cannot trust ${root}: found`);
    chmodSync(root, 0o1777);
    ensureOwnFolder(folder);
  });

  test("behind a link is looked at where the link leads", () => {
    const elsewhere = join(root, "elsewhere");
    make(elsewhere, 0o755);
    symlinkSync(elsewhere, folder);
    ensureOwnFolder(folder);
    expect(modeOf(elsewhere)).toBe("700");
    chownSync(elsewhere, stranger, stranger);
    expect(() => ensureOwnFolder(folder)).toThrow(`Cannot trust ${elsewhere}`);
  });
});

describe("a file of ours", () => {
  const file = () => join(root, "runtime-rules.json");

  test("is read where only root can have written it", () => {
    writeFileSync(file(), "content", { mode: 0o644 });
    expect(readOwnFile(file())).toBe("content");
  });

  test.each([
    ["may be written by others", () => chmodSync(file(), 0o666), "Cannot trust"],
    ["belongs to somebody else", () => chownSync(file(), stranger, stranger), "Cannot trust"],
  ])("is not believed where it %s", (_, change, message) => {
    writeFileSync(file(), "content");
    change();
    expect(() => readOwnFile(file())).toThrow(message);
  });

  test("is not read through a link that somebody put there", () => {
    writeFileSync(join(root, "secret"), "secret");
    symlinkSync(join(root, "secret"), file());
    expect(() => readOwnFile(file())).toThrow(/ELOOP/);
  });

  test("is not written through a link that somebody put there", () => {
    writeFileSync(join(root, "victim"), "as it was");
    symlinkSync(join(root, "victim"), `${file()}.${process.pid}.tmp`);
    symlinkSync(join(root, "victim"), file());
    writeFileAtomically(file(), "content");
    expect([readFileSync(join(root, "victim"), "utf8"), readOwnFile(file())]).toEqual(["as it was", "content"]);
  });

  test("that is a named pipe does not hold anybody up", () => {
    execFileSync("sh", ["-c", 'mkfifo "$0"', file()]);
    expect(() => readOwnFile(file())).toThrow("it is no file");
    writeFileAtomically(file(), "content");
    expect(readOwnFile(file())).toBe("content");
  });
});
