import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Writes a file so that a reader sees the old content or the new, never half of it, and a crash leaves one of the
 * two. The file has mode 0600; a folder that is missing is made with mode 0700.
 *
 * @throws Error whose cause is the system's, when the disk is full, read-only or otherwise unwilling
 */
export function writeFileAtomically(file: string, content: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const descriptor = openSync(temporary, "w", 0o600);
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

/** Removes a file; one that is not there is as good. */
export function removeIfPresent(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
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
