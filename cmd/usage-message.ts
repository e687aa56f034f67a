import { nearestWord } from "../lib/policy/nearest-word.ts";
import { orList } from "../lib/policy/show.ts";

export interface UsageContext {
  /** All arguments. */
  readonly words: readonly string[];
  /** What `--help` prints of the command that is meant, as far as there is one. */
  readonly help: string;
}

/** What yargs finds wrong with a command line, with what was probably meant, and how it should read. */
export function describeUsage(message: string, { words, help }: UsageContext): string {
  const usage = help.split("\n", 1)[0] ?? "";
  const path = /^outbound(?: [a-z][\w-]*)*/.exec(usage)?.[0] ?? "outbound";
  const context = { words, help, path };
  const what =
    describeMissing(message, context) ?? describeUnknown(message, context) ?? message.replace("non-option ", "");
  return `${what}\nUsage: ${usage}\n${path} --help says more`;
}

interface CommandContext extends UsageContext {
  /** The command as far as it is known: `outbound rules`. */
  readonly path: string;
}

/** A command that has others below it, and none of them was given, or another one. Undefined: something else is wrong. */
function describeMissing(message: string, { words, help, path }: CommandContext): string | undefined {
  const what = /^Which (\w+)\?/.exec(message)?.[1];
  if (what === undefined) return undefined;
  const known = commandsIn(help, path);
  const found = words.filter((word) => !word.startsWith("-"))[path.split(" ").length - 1];
  return found === undefined ? `Which ${what}? Expected ${orList(known)}` : suggest(what, found, known);
}

/** Undefined where something else is wrong. */
function describeUnknown(message: string, { words, help, path }: CommandContext): string | undefined {
  const names = /^Unknown (?:argument|command)s?: (.*)$/s.exec(message)?.[1]?.split(", ");
  if (!names) return undefined;
  const options = words.flatMap((word) => /^-{1,2}[^-=][^=]*/.exec(word)?.[0] ?? []);
  const knownOptions = Array.from(help.matchAll(/(?<=\s)--([a-z][\w-]*)/g), ([, option = ""]) => option);
  // Yargs names an option in camel case too, as nobody wrote it.
  const unknown = names.flatMap((name) => {
    const option = options.find((word) => word.replace(/^-+/, "") === name);
    if (option !== undefined) return [suggest("option", option, knownOptions)];
    return words.includes(name) ? [suggest("command", name, [...commandsIn(help, path), ...helpIn(path)])] : [];
  });
  return unknown.length === 0 ? undefined : unknown.join("; ");
}

function commandsIn(help: string, path: string): readonly string[] {
  return Array.from(help.matchAll(new RegExp(`^ {2}${path} ([a-z]+)`, "gm")), ([, name = ""]) => name);
}

/** `outbound help` is not in the list of commands, and goes before all of them only. */
function helpIn(path: string): readonly string[] {
  return path === "outbound" ? ["help"] : [];
}

function suggest(what: string, found: string, known: readonly string[]): string {
  const meant = nearestWord(found.replace(/^-+/, ""), { known, aliases: {} });
  const hint = meant === undefined ? "" : `, did you mean ${what === "option" ? "--" : ""}${meant}?`;
  return `Unknown ${what}: ${found}${hint}`;
}
