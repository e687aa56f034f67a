import { lstat, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "../support/random.ts";

/** What a bad disk or a wrong hand makes of a file. */
export type Damage = (file: string, random: Random) => Promise<void>;

/** A file that is not there gets it too, and a folder in its place goes. */
export const damages = {
  async truncated(file, random) {
    const whole = await take(file);
    await writeFile(file, whole.subarray(0, random.below(Math.max(1, whole.length - 1))));
  },
  /** In an address or a port most bits leave an address or a port. */
  async flipped(file, random) {
    const bytes = await take(file);
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    await writeFile(file, bytes);
  },
  async otherType(file, random) {
    await take(file);
    await writeFile(file, random.pick(["[]", "null", "42", '""', '{"version":1}', "{}\n"]));
  },
  async zeroes(file) {
    await writeFile(file, Buffer.alloc((await take(file)).length));
  },
  /** With something in it: it cannot be removed as a file is, nor renamed over. */
  async folder(file) {
    await take(file);
    await mkdir(`${file}.new`);
    await writeFile(join(`${file}.new`, "inside"), "");
    await rm(file, { force: true });
    await rename(`${file}.new`, file);
  },
} satisfies Readonly<Record<string, Damage>>;

/** Kinds in any order: so many, each before any comes again. */
export function chooseDamages(random: Random, count: number): readonly Damage[] {
  const all = Object.values(damages);
  const rounds = Array.from({ length: Math.ceil(count / all.length) }, () => shuffled(all, random));
  return rounds.flat().slice(0, count);
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  if (items.length === 0) return [];
  const at = random.below(items.length);
  return [...items.slice(at, at + 1), ...shuffled(items.toSpliced(at, 1), random)];
}

async function take(file: string): Promise<Buffer> {
  const isFolder = await lstat(file).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (isFolder) await rm(file, { recursive: true });
  return readFile(file).catch(() => Buffer.from("{}"));
}
