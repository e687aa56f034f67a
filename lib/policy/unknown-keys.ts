import type { core } from "zod";
import { expected } from "./issue.ts";
import { didYouMean, nearestWord } from "./nearest-word.ts";
import type { Vocabulary } from "./nearest-word.ts";
import { show } from "./show.ts";

/**
 * A strict object's `error`: one line for each unknown key, with the word that was probably meant. Other issues of the
 * object itself say that `what` was expected.
 */
export function unknownKeys(what: string, vocabulary: Vocabulary): (issue: core.$ZodRawIssue) => string {
  const otherwise = expected(what);
  return (issue) => {
    if (issue.code !== "unrecognized_keys") return otherwise(issue);
    return issue.keys.map((key) => describe(key, vocabulary)).join("\n");
  };
}

/** Whether an issue's message is about a key that is not known: the key has its position, not the value. */
export function isAboutUnknownKey(message: string): boolean {
  return message.startsWith(START);
}

/** The `error` of a schema for one of a few words, which `what` lists: with the one that was probably meant. */
export function expectedWord(what: string, vocabulary: Vocabulary): (issue: core.$ZodRawIssue) => string {
  const otherwise = expected(what);
  return (issue) => `${otherwise(issue)}${didYouMean(issue.input, vocabulary)}`;
}

const START = "unknown key ";

function describe(key: string, vocabulary: Vocabulary): string {
  const meant = nearestWord(key, vocabulary);
  const hint = meant === undefined ? `expected one of ${vocabulary.known.join(", ")}` : `did you mean "${meant}"?`;
  return `${START}${show(key)}, ${hint}`;
}
