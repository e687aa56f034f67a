import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** A file that was named or found, and its bytes, or why there are none. */
export type RuleFile =
  | { readonly file: string; readonly bytes: Uint8Array }
  | { readonly file: string; readonly reason: string };

/** Read one after the other. `-` is standard input; of a folder its *.json and *.conflist files, at any depth. */
export function* readRuleFiles(names: readonly string[]): Generator<RuleFile> {
  for (const name of names) {
    if (name === "-") yield attempt("<stdin>", () => ({ file: "<stdin>", bytes: readFileSync(0) }));
    else if (isFolder(name)) yield* readFolder(name);
    else yield attempt(name, () => ({ file: name, bytes: readFileSync(name) }));
  }
}

/** A folder without such a file is a mistake: a check that looks at nothing says nothing. */
function* readFolder(folder: string): Generator<RuleFile> {
  let files: readonly string[];
  try {
    files = filesIn(folder);
  } catch (error) {
    yield { file: folder, reason: reasonOf(error) };
    return;
  }
  if (files.length === 0) yield { file: folder, reason: "no *.json or *.conflist in this folder" };
  for (const file of files) yield attempt(file, () => ({ file, bytes: readFileSync(file) }));
}

/** Not the schema that lies beside rule sets for editors. Links to files are followed, links to folders are not: they may lead in a circle. */
function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = join(folder, entry.name);
      if (entry.isDirectory()) return filesIn(file);
      const isMeant = /\.(?:json|conflist)$/.test(entry.name) && !entry.name.endsWith(".schema.json");
      return isMeant && !isFolder(file) ? [file] : [];
    });
}

function isFolder(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function attempt(file: string, read: () => RuleFile): RuleFile {
  try {
    return read();
  } catch (error) {
    return { file, reason: reasonOf(error) };
  }
}

/** `ENOENT: no such file or directory, open 'x'` without what is said already. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/, (?:open|read|scandir)\b.*$/s, "") : String(error);
}
