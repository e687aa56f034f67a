/**
 * Text that moves no cursor and changes no colour: rule sets and job names are other people's, and a terminal obeys
 * control characters. Line feeds stay.
 */
export function toPrintable(text: string): string {
  return text.replaceAll(/[^\P{C}\n]/gu, "\u{fffd}");
}
