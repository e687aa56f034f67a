import { existsSync, statSync } from "node:fs";
import type { StateFile } from "../doctor/state.ts";
import { findStateFiles, type StateFolders } from "./state-files.ts";

/** Who may do what with the files and folders of ours that are there. @throws the system's error */
export function readFileModes(folders: StateFolders): readonly StateFile[] {
  const { stateDir, cacheDir } = folders;
  const own = [...new Set([stateDir, `${stateDir}/attachments`, cacheDir])].filter((folder) => existsSync(folder));
  return [...own, ...findStateFiles(folders)].flatMap((path): readonly StateFile[] => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats ? [{ path, isFolder: stats.isDirectory(), mode: stats.mode & 0o777 }] : [];
  });
}
