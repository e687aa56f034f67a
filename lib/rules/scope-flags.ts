import type { Scope } from "../policy/scope.ts";

/** A scope as the command line takes it: `--namespace default --job web`. What a shell would change is quoted. */
export function formatScopeFlags(scope: Scope): string {
  const { kind, ...names } = scope;
  const flags = Object.entries(names).map(([flag, name]) => `--${flag} ${quote(name)}`);
  return flags.length === 0 ? `--${kind}` : flags.join(" ");
}

/** A word of a shell's command line, without control characters. */
export function quote(word: string): string {
  if (/^[\w./:=@%+-]+$/.test(word)) return word;
  if (!/\p{C}/u.test(word)) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
  const escaped = word.replaceAll(/[\\']/g, (character) => `\\${character}`);
  return `$'${escaped.replaceAll(/\p{C}/gu, escapeCodePoint)}'`;
}

function escapeCodePoint(character: string): string {
  return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, "0")}`;
}
