import { styleText } from "node:util";

/** What the demo prints: plain text of 80 columns, with colour only on a terminal that wants it. */
export interface Screen {
  readonly heading: (text: string) => void;
  /** One line of getting ready: what, and how it is. */
  readonly row: (label: string, text: string) => void;
  readonly say: (text: string) => void;
  /** A command, as a person would type it. */
  readonly command: (text: string) => void;
  /** What a command printed. */
  readonly output: (text: string) => void;
  /** What was seen, and whether it is what it should be. */
  readonly observe: (text: string, options: { readonly isRight: boolean }) => void;
  readonly fail: (text: string) => void;
  readonly observed: { readonly right: number; readonly wrong: number };
}

type Style = Parameters<typeof styleText>[0];

export function createScreen(stream: NodeJS.WriteStream): Screen {
  let right = 0;
  let wrong = 0;
  // A reader that has left (`npm run demo | head`) or a terminal that is gone must not keep the demo from cleaning up.
  stream.on("error", () => {});
  const paint = (style: Style, text: string) => styleText(style, text, { stream });
  const print = (text: string) => stream.write(`${text}\n`);
  return {
    heading: (text) => print(`\n${paint("bold", text)}`),
    row: (label, text) => print(`  ${label.padEnd(10)} ${text}`),
    say: (text) => print(indent(text, "  ")),
    command: (text) => print(paint("cyan", `  $ ${indent(text, "    ").trimStart()}`)),
    output: (text) => print(paint("dim", indent(fold(text.trimEnd(), 76), "    "))),
    observe(text, { isRight }) {
      if (isRight) right++;
      else wrong++;
      print(`  ${isRight ? paint("green", "ok    ") : paint("red", "FAILED")} ${text}`);
    },
    fail: (text) => print(`\n${paint("red", "FAILED")} ${text}`),
    get observed() {
      return { right, wrong };
    },
  };
}

function indent(text: string, by: string): string {
  return text.replace(/^(?=.)/gm, by);
}

/** Breaks longer lines between words. */
function fold(text: string, width: number): string {
  return text.replace(new RegExp(`(?=.{${width + 1}})(.{1,${width}}) +`, "g"), "$1\n");
}
