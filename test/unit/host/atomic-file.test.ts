import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isMissing, removeIfPresent, writeFileAtomically } from "../../../lib/host/atomic-file.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cni-outbound-atomic-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("writeFileAtomically", () => {
  test("makes the folder and the file, for their owner alone", () => {
    const file = join(folder, "state", "attachments", "x.json");
    writeFileAtomically(file, "content");
    expect(readFileSync(file, "utf8")).toBe("content");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const made of ["state", "state/attachments"]) expect(statSync(join(folder, made)).mode & 0o777).toBe(0o700);
  });

  test("puts another file in the place of the old one, and leaves no other behind", () => {
    const file = join(folder, "x");
    writeFileAtomically(file, "one, which is longer");
    const before = statSync(file).ino;
    writeFileAtomically(file, "zwölf");
    expect(readFileSync(file, "utf8")).toBe("zwölf");
    expect(statSync(file).ino).not.toBe(before);
    expect(readdirSync(folder)).toEqual(["x"]);
  });

  test("writes large content whole", () => {
    const file = join(folder, "x");
    const content = "0123456789abcdef".repeat(1 << 18);
    writeFileAtomically(file, content);
    expect(readFileSync(file, "utf8") === content).toBe(true);
  });

  test("keeps the old content and leaves nothing behind where it cannot write", () => {
    mkdirSync(join(folder, "x"));
    writeFileSync(join(folder, "x", "inside"), "");
    expect(() => writeFileAtomically(join(folder, "x"), "content")).toThrow(/^Cannot write .*\/x: /);
    expect(readdirSync(folder)).toEqual(["x"]);
    expect(readdirSync(join(folder, "x"))).toEqual(["inside"]);
  });

  test("tells why with the system's error as cause", () => {
    writeFileSync(join(folder, "file"), "");
    const file = join(folder, "file", "x");
    const message = new RegExp(`^Cannot write ${file}: EEXIST`);
    expect(() => writeFileAtomically(file, "")).toThrow(message);
    expect(causeOf(() => writeFileAtomically(file, ""))).toMatchObject({ code: "EEXIST" });
  });
});

describe("removeIfPresent", () => {
  test("removes a file, and takes one that is not there for removed", () => {
    const file = join(folder, "x");
    writeFileSync(file, "");
    removeIfPresent(file);
    expect(readdirSync(folder)).toEqual([]);
    removeIfPresent(file);
    removeIfPresent(join(folder, "none", "x"));
  });

  test("removes a folder that somebody made in its place, and follows no link out of it", () => {
    const place = join(folder, "x");
    mkdirSync(join(place, "inside"), { recursive: true });
    writeFileSync(join(folder, "victim"), "");
    symlinkSync(folder, join(place, "link"));
    removeIfPresent(place);
    expect(readdirSync(folder)).toEqual(["victim"]);
  });
});

test.each([
  [Object.assign(new Error("none"), { code: "ENOENT" }), true],
  [Object.assign(new Error("none"), { code: "ENOTDIR" }), true],
  [Object.assign(new Error("none"), { code: "EACCES" }), false],
  [new Error("ENOENT"), false],
  ["ENOENT", false],
])("isMissing of %s is %s", (error, expected) => {
  expect(isMissing(error)).toBe(expected);
});

function causeOf(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error instanceof Error ? error.cause : undefined;
  }
  return undefined;
}
