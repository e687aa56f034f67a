import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import type { PluginFile } from "../doctor/executable.ts";
import { awaitFact } from "./read-fact.ts";

/** The first file of that name in the folders, as libcni looks for plugins, and what it says of itself. */
export async function readPluginFile(
  name: string,
  { folders, signal }: { readonly folders: readonly string[]; readonly signal: AbortSignal },
): Promise<PluginFile | undefined> {
  const path = folders
    .map((folder) => `${folder.replace(/\/+$/, "")}/${name}`)
    .find((file) => statSync(file, { throwIfNoEntry: false })?.isFile() ?? false);
  if (path === undefined) return undefined;
  const isExecutable = canExecute(path);
  return { path, isExecutable, about: isExecutable ? await awaitFact(runBare(path, signal)) : { unread: "not run" } };
}

function canExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** As Nomad asks a plugin for its version: no arguments, no CNI_COMMAND, 3 s. */
function runBare(path: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: {}, signal, timeout: 3000, killSignal: "SIGKILL" } as const;
    const child = execFile(path, [], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`it ends with ${error.code ?? error.signal ?? "an error"}`, { cause: error }));
      else resolve(stdout + stderr);
    });
    child.stdin?.end();
  });
}
