import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openKernelLog, type KernelLog } from "../../../lib/host/kernel-log.ts";
import { createMemoryLog, type MemoryLog } from "../../fakes/log.ts";

let directory: string;
let path: string;
/** Holds the pipe open for both ends, as the kernel does its log. */
let writer: number;
let log: MemoryLog;
let kernelLog: KernelLog | undefined;

/** A named pipe gives what is written to it, and EAGAIN in between, as /dev/kmsg does. */
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "outbound-kmsg-"));
  path = join(directory, "kmsg");
  execFileSync("sh", ["-c", 'mkfifo "$0"', path]);
  writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  log = createMemoryLog();
});

afterEach(() => {
  kernelLog?.close();
  closeSync(writer);
  rmSync(directory, { recursive: true });
});

function open(): KernelLog {
  kernelLog = openKernelLog({ prefix: "outbound ", log, path });
  return kernelLog;
}

function write(...records: readonly string[]): void {
  for (const record of records) writeSync(writer, `${record}\n`);
}

describe("the kernel's log", () => {
  test("is read from where it was opened, each message once", () => {
    write("4,1,100,-;outbound x: IN=old");
    const { read } = open();
    expect(read()).toEqual([]);
    write("4,2,200,-;outbound x: IN=a", "6,3,300,-,caller=T12;outbound y: IN=b");
    expect(read()).toEqual(["outbound x: IN=a", "outbound y: IN=b"]);
    expect(read()).toEqual([]);
    write("4,4,400,-;outbound z: IN=c");
    expect(read()).toEqual(["outbound z: IN=c"]);
    expect(log.lines).toEqual([]);
  });

  test("gives neither the lines of others nor what a program wrote there itself", () => {
    const { read } = open();
    write(
      "6,1,100,-;veth1: entered disabled state",
      "4,2,200,-;[UFW BLOCK] outbound x: IN=a",
      "12,3,300,-;outbound forged: IN=a",
      " SUBSYSTEM=outbound ",
      "4,4,400,-;outbound x: IN=a",
      " DEVICE=+net:veth1",
      "nonsense",
    );
    expect(read()).toEqual(["outbound x: IN=a"]);
  });

  test("that cannot be opened is said once, and read as empty", () => {
    path = join(directory, "missing");
    const { read, close } = open();
    expect([read(), read()]).toEqual([[], []]);
    expect(log.lines.map(({ level, fields }) => [level, fields["file"]])).toEqual([["warn", path]]);
    close();
    close();
  });

  test("that can no longer be read is said once", () => {
    path = directory;
    const { read } = open();
    expect([read(), read()]).toEqual([[], []]);
    expect(log.lines).toHaveLength(1);
  });
});
