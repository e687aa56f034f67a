import { readdirSync } from "node:fs";
import { removeIfPresent } from "./atomic-file.ts";

/**
 * Removes what writers of `writeFileAtomically` that were killed have left beside these files of a folder. The caller
 * holds the lock under which they are written, so nobody is at work on one. What cannot be removed waits for the next
 * time: it is in nobody's way.
 */
export function removeUnfinished(folder: string, isFile: (name: string) => boolean): void {
  try {
    for (const name of readdirSync(folder)) {
      const [, file] = /^(.+)\.\d+\.tmp$/.exec(name) ?? [];
      if (file !== undefined && isFile(file)) removeIfPresent(`${folder}/${name}`);
    }
  } catch {}
}
