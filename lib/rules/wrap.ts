/** What a table or a message may be wide. */
const WIDTH = 80;

/**
 * Breaks a text at spaces into lines of at most 80 columns; all but the first begin with `indent` spaces, the first
 * with those that the text begins with.
 */
export function wrap(text: string, { indent }: { readonly indent: number }): string {
  const lines: string[] = [];
  const words = text.trimStart();
  let line = " ".repeat(text.length - words.length);
  for (const word of words.split(" ").flatMap(chop(WIDTH - indent))) {
    const isFirst = line.trim() === "";
    const longer = isFirst ? line + word : `${line} ${word}`;
    if (isFirst || longer.length <= WIDTH) {
      line = longer;
    } else {
      lines.push(line);
      line = `${" ".repeat(indent)}${word}`;
    }
  }
  return [...lines, line].join("\n");
}

function chop(width: number): (word: string) => readonly string[] {
  return (word) => (word.length <= width ? [word] : (word.match(new RegExp(`.{1,${width}}`, "gs")) ?? []));
}
