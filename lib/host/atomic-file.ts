import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { describeRights, ensureOwnFolder, isTrusted, isWritableByOthers } from "./own-folder.ts";

/** Of a file that was planted: nobody else's link is followed, and a named pipe does not hold us up. */
const NOT_ELSEWHERE = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Several times what the largest rule sets of a whole cluster take; a damaged length must not fill the memory. */
const LARGEST_BYTES = 256 * 1024 * 1024;

/**
 * Writes a file so that a reader sees the old content or the new, never half of it, and a crash leaves one of the
 * two. The file has mode 0600 whatever the umask; its folder is ours alone.
 *
 * @throws Error whose cause is the system's, when the disk is full, read-only or otherwise unwilling, or which says
 * that others may change the folder
 */
export function writeFileAtomically(file: string, content: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    ensureOwnFolder(dirname(file));
    const descriptor = createFile(temporary);
    try {
      writeWhole(descriptor, Buffer.from(content));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (error) {
    discard(temporary);
    throw new Error(`Cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/**
 * The content of a file that only root or this user can have written.
 *
 * @throws the system's error; Error where it is anything else than a file, too large, or others could have written it
 */
export function readOwnFile(file: string): string {
  const descriptor = openSync(file, constants.O_RDONLY | NOT_ELSEWHERE);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error(`Cannot read ${file}: it is no file`);
    if (stats.size > LARGEST_BYTES) {
      throw new Error(`Cannot read ${file}: it has ${stats.size} bytes, expected at most ${LARGEST_BYTES}`);
    }
    if (!isTrusted(stats) || isWritableByOthers(stats)) {
      throw new Error(`Cannot trust ${file}: found ${describeRights(stats)}, expected one that only root may write to`);
    }
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}

/** Removes a file, or the folder that somebody made in its place; one that is not there is as good. */
export function removeIfPresent(file: string): void {
  try {
    rmSync(file, { recursive: true, force: true });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

/** A process that was killed may have had our number, and have left its file. */
function createFile(file: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NOT_ELSEWHERE;
  removeIfPresent(file);
  const descriptor = openSync(file, flags, 0o600);
  fchmodSync(descriptor, 0o600);
  return descriptor;
}

/** What went wrong before says more than that this cannot be removed either. */
function discard(file: string): void {
  try {
    unlinkSync(file);
  } catch {}
}

function writeWhole(descriptor: number, content: Buffer): void {
  for (let written = 0; written < content.length;) written += writeSync(descriptor, content, written);
}
