import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";

/** Reads a file, or standard input to its end for `-`. @throws Error that names it */
export async function readInput(path: string): Promise<Uint8Array> {
  try {
    return path === "-" ? await buffer(process.stdin) : await readFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot read ${path === "-" ? "standard input" : path}: ${reason}`, { cause });
  }
}
