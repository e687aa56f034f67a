import { toPrintable } from "../lib/inspect/printable.ts";

/** What a command has to say, for people. */
export function printText(text: string): void {
  process.stdout.write(`${toPrintable(text)}\n`);
}

/** What a command has to say, for machines. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
