import { toPrintable } from "../../../lib/inspect/printable.ts";
import { claim } from "./claim.ts";

/** That text reaches a terminal as it is written: `print.ts` does the same to all that commands print. */
export function claimPrintable(text: string, mostLines: number): void {
  const printed = toPrintable(text);
  const hidden = /[^\P{C}\n]/u.exec(printed)?.[0] ?? "";
  claim(hidden === "" || hidden === "\u{fffd}", "no control character reaches a terminal", printed);
  const lines = printed.split("\n").length;
  claim(lines <= mostLines, "other people's text makes no lines of its own", { lines, mostLines });
}
