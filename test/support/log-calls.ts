import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One place in the sources where a line is logged. */
export interface LogCall {
  readonly where: string;
  readonly level: string;
  /** Every constant that may be the message; none where it is not constant. */
  readonly messages: readonly string[];
  /** The fields that the call names itself; what it spreads is not known here. */
  readonly fields: readonly string[];
}

const root = join(import.meta.dirname, "..", "..");

/** The calls of `log.info`, `log.warn` and `log.error` by plugin and watcher. Commands for people print, and are left out. */
export function findLogCalls(): readonly LogCall[] {
  const files = globSync(["lib/**/*.ts", "watcher/**/*.ts", "cmd/watch.ts", "cmd/plugin*.ts"], { cwd: root });
  return files.toSorted().flatMap((file) => callsIn(file, readFileSync(join(root, file), "utf8")));
}

export function callsIn(file: string, source: string): readonly LogCall[] {
  return [...source.matchAll(/\blog\.(info|warn|error)\(/g)].map((match): LogCall => {
    const start = match.index + match[0].length;
    const [fields = "", message = ""] = splitAtCommas(upToClosing(source, start));
    const where = `${file}:${source.slice(0, start).split("\n").length}`;
    return { where, level: match[1] ?? "", messages: constantsOf(message, source), fields: namesIn(fields) };
  });
}

/** A literal, a constant of the same file, or one of a constant record's values. */
function constantsOf(text: string, source: string): readonly string[] {
  const literals = stringsIn(text);
  if (text.startsWith('"')) return literals.length === 1 ? literals : [];
  const [, name = ""] = /^([A-Z][A-Z_]*)(?:\[.*\])?$/.exec(text) ?? [];
  const declaration = new RegExp(`^const ${name}\\b[^=]*=\\s*("[^"]*"|\\{[^}]*\\})`, "m").exec(source);
  return name === "" || !declaration ? [] : stringsIn((declaration[1] ?? "").replaceAll(/"[^"]*":/g, ""));
}

function stringsIn(text: string): readonly string[] {
  return [...text.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
}

function namesIn(object: string): readonly string[] {
  if (!object.startsWith("{")) return [];
  const parts = splitAtCommas(object.slice(1, -1));
  return parts.flatMap((part) => (part.startsWith("...") ? [] : (/^\w+/.exec(part) ?? [])));
}

/** From an opening bracket's content to the bracket that closes it. */
function upToClosing(source: string, start: number): string {
  const end = scan(source.slice(start), ({ depth }) => depth < 0)[0] ?? source.length - start;
  return source.slice(start, start + end);
}

function splitAtCommas(text: string): readonly string[] {
  const ends = [...scan(text, ({ depth, character }) => depth === 0 && character === ","), text.length];
  return ends
    .map((end, nth) => text.slice(nth === 0 ? 0 : (ends[nth - 1] ?? 0) + 1, end).trim())
    .filter((part) => part !== "");
}

/** Where outside of string literals the condition holds. */
function scan(text: string, is: (at: { readonly depth: number; readonly character: string }) => boolean): number[] {
  const found: number[] = [];
  let depth = 0;
  let quote: string | undefined;
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      continue;
    }
    if (`"'\``.includes(character)) quote = character;
    if ("([{".includes(character)) depth++;
    if (")]}".includes(character)) depth--;
    if (is({ depth, character })) found.push(index);
  }
  return found;
}
