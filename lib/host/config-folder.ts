import { readdirSync, readFileSync, statSync } from "node:fs";
import type { ConfigFile } from "../doctor/conflist.ts";
import { isMissing } from "./atomic-file.ts";
import { readFact } from "./read-fact.ts";

/** The endings that Nomad looks at (client/allocrunner/networking_cni.go). */
const ENDINGS = /\.(?:conflist|conf|json)$/;

/**
 * The network configurations of a folder, by name. Undefined where there is no such folder.
 *
 * @throws the system's error where the folder cannot be read
 */
export function readConfigFolder(folder: string): readonly ConfigFile[] | undefined {
  try {
    return readdirSync(folder)
      .filter((name) => ENDINGS.test(name) && !isFolder(`${folder}/${name}`))
      .toSorted()
      .map((name) => ({ name, bytes: readFact(() => readFileSync(`${folder}/${name}`)) }));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
