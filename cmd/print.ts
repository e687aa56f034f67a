import { toPrintable } from "../lib/inspect/printable.ts";
import { hasColour, highlight, type Highlights } from "./colour.ts";

/** What a command has to say, for people; on a terminal with these words coloured. */
export function printText(text: string, highlights?: Highlights): void {
  // Colours go on last: whatever others wrote has lost its control characters by then.
  const printable = toPrintable(text);
  const isColoured = highlights && hasColour({ isTerminal: process.stdout.isTTY, env: process.env });
  process.stdout.write(`${isColoured ? highlight(printable, highlights) : printable}\n`);
}

/** What a command has to say, for machines. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
