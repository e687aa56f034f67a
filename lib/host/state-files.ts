import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { isAttachmentChain } from "../netfilter/names.ts";
import { isMissing, removeIfPresent } from "./atomic-file.ts";
import { OBSERVED_FILE } from "./observed-file.ts";
import { UNIDENTIFIED_FILE } from "./unidentified-file.ts";

export interface StateFolders {
  readonly stateDir: string;
  readonly cacheDir: string;
}

/** The files of ours in a node's state and cache folders, half-written ones and ones set aside included. */
export function findStateFiles({ stateDir, cacheDir }: StateFolders): readonly string[] {
  const records = namesIn(`${stateDir}/attachments`).filter((name) => {
    const [, chain = ""] = /^(.+?)\.(?:json|unreadable|json\.\d+\.tmp)$/.exec(name) ?? [];
    return isAttachmentChain(chain);
  });
  const seen = namesIn(stateDir).filter((name) => WATCHERS_FILES.includes(name.replace(/\.\d+\.tmp$/, "")));
  const caches = namesIn(cacheDir).filter((name) => /^runtime-rules\.json(?:\.bad-\d+|\.\d+\.tmp)?$/.test(name));
  return [
    ...records.map((name) => `${stateDir}/attachments/${name}`),
    ...seen.map((name) => `${stateDir}/${name}`),
    ...caches.map((name) => `${cacheDir}/${name}`),
  ];
}

const WATCHERS_FILES: readonly string[] = [OBSERVED_FILE, UNIDENTIFIED_FILE];

export interface StateRemoval {
  /** Files and folders that are gone. */
  readonly removed: readonly string[];
  /** Folders that stay: something else is in them, or they are mounts. */
  readonly left: readonly string[];
}

/** Removes those files, and the folders that are empty then. */
export function removeStateFiles(folders: StateFolders): StateRemoval {
  const { stateDir, cacheDir } = folders;
  const files = findStateFiles(folders);
  for (const file of files) removeIfPresent(file);
  const present = [...new Set([`${stateDir}/attachments`, stateDir, cacheDir])].filter((folder) => existsSync(folder));
  const removed = present.filter(removeIfEmpty);
  return { removed: [...files, ...removed], left: present.filter((folder) => !removed.includes(folder)) };
}

function removeIfEmpty(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
