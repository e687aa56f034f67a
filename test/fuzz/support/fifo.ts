import { execFileSync } from "node:child_process";
import { existsSync, linkSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const template = join(mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "cni-outbound-fifo-")), "pipe");

/** A named pipe that nobody writes to: who opens it waits for ever. A link to one, as to make each costs a process. */
export function makeFifo(path: string): void {
  if (!existsSync(template)) execFileSync("mkfifo", ["-m", "600", template]);
  linkSync(template, path);
}
