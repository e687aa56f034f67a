import { styleText } from "node:util";

export type Colour = "green" | "yellow" | "red" | "cyan" | "gray" | "bold";

/** Which words are coloured, and where. */
export interface Highlights {
  /** Fixed words of ours; of two that begin alike the longer counts. */
  readonly words: Readonly<Record<string, Colour>>;
  /**
   * Global: only what it matches is searched. Names and comments are other people's, and must not look like a state of
   * ours because they are called so. Left out: all of the text.
   */
  readonly where?: RegExp;
}

/** Puts colours on fixed words in finished text: only whole words, so that a rule set `not-ok` stays as it is. */
export function highlight(text: string, { words, where = /[\s\S]+/g }: Highlights): string {
  const known = Object.keys(words).toSorted((a, b) => b.length - a.length);
  if (known.length === 0) return text;
  const word = new RegExp(`(?<![\\w./=-])(?:${known.map(escape).join("|")})(?![\\w./=-])`, "g");
  const paint = (found: string): string => {
    const colour = words[found];
    return colour === undefined ? found : styleText(colour, found, { validateStream: false });
  };
  return text.replace(where, (part) => part.replace(word, paint));
}

/** Colours are for people: on a terminal that has them, and never with NO_COLOR (no-color.org). */
export function hasColour({ isTerminal, env }: ColourContext): boolean {
  return isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
}

export interface ColourContext {
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

function escape(word: string): string {
  return word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
