/** What a table or a message may be wide. */
const WIDTH = 80;

/**
 * Breaks a text at spaces into lines of at most 80 columns; all but the first begin with `indent` spaces, the first
 * with those that the text begins with. What people copy stays whole where a line has room for it: a flag is not parted
 * from its value, and what is too long for the indent begins further to the left. A word longer than a line is cut.
 */
export function wrap(text: string, { indent }: { readonly indent: number }): string {
  const lines: string[] = [];
  const words = text.trimStart();
  let line = " ".repeat(text.length - words.length);
  for (const piece of joinFlags(words.split(" ")).flatMap(chop(WIDTH - indent))) {
    const isFirst = line.trim() === "";
    const longer = isFirst ? line + piece : `${line} ${piece}`;
    if (longer.length <= WIDTH) {
      line = longer;
    } else {
      if (!isFirst) lines.push(line);
      const start = isFirst ? line.length : indent;
      line = " ".repeat(Math.min(start, WIDTH - piece.length)) + piece;
    }
  }
  return [...lines, line].join("\n");
}

const FLAG = /^[^\w-]?--[a-z][a-z-]*$/;
/** A value as `quote` writes it, and the end of a sentence. */
const VALUE = /^(?:\$'(?:\\.|[^\\'])*'|(?!\$')(?:'[^']*'|\\.|[^\\'])+)[?.,:;)]*$/s;
const MOST_WORDS = 20;

function joinFlags(words: readonly string[]): readonly string[] {
  const pieces: string[] = [];
  for (let at = 0; at < words.length;) {
    const count = FLAG.test(words[at] ?? "") ? 1 + countValueWords(words.slice(at + 1, at + 1 + MOST_WORDS)) : 1;
    const piece = words.slice(at, at + count).join(" ");
    pieces.push(...(piece.length <= WIDTH ? [piece] : words.slice(at, at + count)));
    at += count;
  }
  return pieces;
}

/** How many words are the value of a flag that stands before them; a value with spaces is quoted. */
function countValueWords([first = "", ...more]: readonly string[]): number {
  if (first === "" || first.startsWith("-")) return 0;
  let value = first;
  for (const [index, word] of ["", ...more].entries()) {
    if (index > 0) value += ` ${word}`;
    if (VALUE.test(value)) return index + 1;
  }
  return 1;
}

function chop(width: number): (piece: string) => readonly string[] {
  return (piece) => (piece.length <= WIDTH ? [piece] : (piece.match(new RegExp(`.{1,${width}}`, "gs")) ?? []));
}
