import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import * as fc from "fast-check";
import { makeFifo } from "./fifo.ts";
import { hostileTexts } from "./hostile-text.ts";

/** What has become of one of a node's files. */
export interface Sabotage {
  /** Counted among the files that can be hit; more start again. */
  readonly file: number;
  readonly kind: (typeof KINDS)[number];
  /** Another file, or how much of this. */
  readonly other: number;
  readonly text: string;
}

const KINDS = [
  "gone",
  "empty",
  "text",
  "cut",
  "another's",
  "link to another's",
  "dangling link",
  "link to itself",
  "link to a device",
  "folder",
  "full folder",
  "pipe",
  "huge",
] as const;

export function sabotages(): fc.Arbitrary<readonly Sabotage[]> {
  const one = fc.record({
    file: fc.nat(20),
    kind: fc.constantFrom(...KINDS),
    other: fc.nat(2000),
    text: hostileTexts(),
  });
  return fc.array(one, { minLength: 1, maxLength: 3 });
}

export interface SabotagedFile {
  readonly path: string;
  /** What it holds where it is well. */
  readonly content: string;
}

export function sabotage(files: readonly SabotagedFile[], { file, kind, other, text }: Sabotage): string | undefined {
  const hit = files[file % files.length];
  if (hit === undefined || files.length === 0) return undefined;
  const { path, content } = hit;
  const another = files[other % files.length] ?? hit;
  rmSync(path, { recursive: true, force: true });
  switch (kind) {
    case "gone":
      break;
    case "empty":
      writeFileSync(path, "", OURS);
      break;
    case "text":
      writeFileSync(path, text, OURS);
      break;
    case "cut":
      writeFileSync(path, content.slice(0, other % Math.max(1, content.length)), OURS);
      break;
    case "another's":
      writeFileSync(path, another.content, OURS);
      break;
    case "link to another's":
      symlinkSync(another.path, path);
      break;
    case "dangling link":
      symlinkSync(`${path}.nowhere`, path);
      break;
    case "link to itself":
      symlinkSync(path, path);
      break;
    case "link to a device":
      symlinkSync("/dev/zero", path);
      break;
    case "folder":
      mkdirSync(path);
      break;
    case "full folder":
      mkdirSync(path);
      writeFileSync(`${path}/x`, content, OURS);
      break;
    case "pipe":
      makeFifo(path);
      break;
    case "huge":
      writeFileSync(path, content, OURS);
      truncateSync(path, HUGE_BYTES);
  }
  return path;
}

const OURS = { mode: 0o600 };
/** A hole in a file: it costs no space, and is more than anybody should read. */
const HUGE_BYTES = 3 * 1024 ** 3;
