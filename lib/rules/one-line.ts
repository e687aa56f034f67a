import { toPrintable } from "../inspect/printable.ts";

/** A name or key as one line of a table: Consul and Nomad allow line feeds too. */
export function toOneLine(text: string): string {
  return toPrintable(text.replaceAll("\n", "\u{fffd}"));
}
