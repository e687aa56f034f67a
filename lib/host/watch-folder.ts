import { watch } from "node:fs";
import type { Log } from "./log.ts";
import { ensureOwnFolder } from "./own-folder.ts";

/** Calls back whenever a file of `folder` comes, goes or is replaced, until `signal` aborts. The folder is made if missing. */
export function watchFolder(folder: string, { onChange, log, signal }: WatchFolderOptions): void {
  try {
    ensureOwnFolder(folder);
    watch(folder, { signal }, () => onChange()).on("error", (error) => {
      if (signal.aborted) return;
      log.error({ folder, error: String(error) }, "Cannot follow a folder, its changes are found by polling");
    });
  } catch (error) {
    log.error({ folder, error: String(error) }, "Cannot follow a folder, its changes are found by polling");
  }
}

export interface WatchFolderOptions {
  readonly onChange: () => void;
  readonly log: Log;
  readonly signal: AbortSignal;
}
