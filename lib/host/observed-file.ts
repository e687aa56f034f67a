import { formatObserved, parseObserved, type ObservedConnection } from "../observed/connection.ts";
import { isMissing, readOwnFile, writeFileAtomically } from "./atomic-file.ts";
import type { Log } from "./log.ts";

/** Its name in the state folder. */
export const OBSERVED_FILE = "observed.json";

/**
 * The connections that the watcher of this node has seen denied or audited, from `<stateDir>/observed.json`. None where
 * there is no such file, or none that can be used: that is logged, and the watcher's next write takes its place.
 */
export function readObserved(stateDir: string, { log }: { readonly log: Log }): readonly ObservedConnection[] {
  const file = fileIn(stateDir);
  try {
    return parseObserved(readOwnFile(file));
  } catch (error) {
    if (!isMissing(error)) log.warn({ file, error: String(error) }, "The connections seen earlier cannot be read");
    return [];
  }
}

/** @throws Error whose cause is the system's, when the file cannot be written; the one before stays */
export function writeObserved(stateDir: string, connections: readonly ObservedConnection[]): void {
  writeFileAtomically(fileIn(stateDir), formatObserved(connections));
}

function fileIn(stateDir: string): string {
  return `${stateDir}/${OBSERVED_FILE}`;
}
