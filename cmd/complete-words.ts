import type { Argv } from "yargs";
import { createAttachmentReader } from "../lib/host/attachment-store.ts";
import type { Attachment } from "../lib/policy/attachment.ts";
import { completeValue, type Candidate } from "./completion-values.ts";

/** The word that has yargs answer what may come next. */
export const COMPLETION_WORD = "--get-yargs-completions";

/** Adds to yargs's own completion what only this node's state knows. `words`: all arguments of this process. */
export function completeWords<T>(yargs: Argv<T>, words: readonly string[]): Argv<T> {
  return yargs.completion(
    // Yargs wants a command that prints its own script; this one is nobody's.
    "__completion",
    false,
    (current: string, parsed: unknown, own: (filter: OwnFilter) => void, done: (completions: string[]) => void) => {
      const line = words.slice(words.indexOf(COMPLETION_WORD) + 1);
      const candidates = completeValue({ words: line, parsed, readAttachments });
      if (candidates) done(candidates.map(format));
      else own((_error, found = []) => done(ownOf(found, current)));
    },
  );
}

type OwnFilter = (error: Error | null, completions: string[] | undefined) => void;

/**
 * Yargs's own, without a short option behind two dashes, and without options where a word is wanted: it offers them
 * beside the choices for it.
 */
function ownOf(found: readonly string[], current: string): string[] {
  const real = found.filter((each) => !/^--.(?:$|[:\t])/.test(each));
  const words = real.filter((each) => !each.startsWith("-"));
  return current.startsWith("-") || words.length === 0 ? real : words;
}

function readAttachments(stateDir: string): readonly Attachment[] {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  return createAttachmentReader(stateDir, { log }).list().attachments;
}

/** As yargs writes its own. */
function format({ value, about }: Candidate): string {
  const shell = process.env["SHELL"] ?? "";
  const meaning = about.replaceAll(/\s+/g, " ");
  if (shell.includes("fish")) return `${value}\t${meaning}`;
  return shell.includes("zsh") ? `${value.replaceAll(":", String.raw`\:`)}:${meaning}` : value;
}
