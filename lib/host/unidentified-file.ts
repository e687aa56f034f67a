import { formatProblems, groupProblems, parseProblems } from "../policy/identity-problem.ts";
import type { IdentityProblem, Unidentified } from "../policy/identity-problem.ts";
import { isMissing, readOwnFile, removeIfPresent, writeFileAtomically } from "./atomic-file.ts";
import type { Log } from "./log.ts";

/** Its name in the state folder. */
export const UNIDENTIFIED_FILE = "unidentified.json";

/** Why the watcher does not know whose some allocations are. Nothing where it has not said, or cannot be read. */
export function readIdentityProblems(stateDir: string, { log }: { readonly log: Log }): readonly IdentityProblem[] {
  const file = `${stateDir}/${UNIDENTIFIED_FILE}`;
  try {
    return parseProblems(readOwnFile(file));
  } catch (error) {
    if (!isMissing(error)) log.warn({ file, error: String(error) }, "Why identities are not known cannot be read");
    return [];
  }
}

/** Tells the commands of this node why; a disk that cannot be written keeps nothing else from going on. */
export function writeUnidentified(
  stateDir: string,
  { unidentified, log }: { readonly unidentified: readonly Unidentified[]; readonly log: Log },
): void {
  const file = `${stateDir}/${UNIDENTIFIED_FILE}`;
  const problems = groupProblems(unidentified);
  try {
    if (problems.length === 0) removeIfPresent(file);
    else writeFileAtomically(file, formatProblems(problems));
  } catch (error) {
    log.warn({ file, error: String(error) }, "Cannot keep on disk why identities are not known");
  }
}
