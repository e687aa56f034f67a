import { writeSync } from "node:fs";

/** Writes all of `text` before it returns, so that an exit right after it loses nothing. */
export function writeAll(descriptor: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      // A pipe that its reader has made non-blocking, and that is full.
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
  }
}
