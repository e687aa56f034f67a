import type { CheckState } from "./check.ts";
import type { Section } from "./diagnose.ts";
import { countOf } from "./words.ts";

/** What `outbound doctor` prints: a line for each check, what to do about it below, in 80 columns. */
export function formatSections(sections: readonly Section[]): string {
  const checks = sections.flatMap((section) => section.checks);
  return [
    ...sections.map(({ title, checks: own }) =>
      [
        title,
        ...own.flatMap(({ state, message, remedy }) => [
          ...wrap(message, `  ${MARKS[state].padEnd(4)}  `),
          ...(remedy === undefined ? [] : wrap(remedy, `${INDENT}-> `)),
        ]),
      ].join("\n"),
    ),
    summarize(checks.map(({ state }) => state)),
  ].join("\n\n");
}

/** What stands before each check. */
export const MARKS: Readonly<Record<CheckState, string>> = { ok: "ok", warning: "warn", problem: "FAIL", unknown: "?" };

const INDENT = " ".repeat(8);
const WIDTH = 80;

function summarize(states: readonly CheckState[]): string {
  const count = (state: CheckState): number => states.filter((each) => each === state).length;
  const parts = [
    { number: count("problem"), one: "problem", many: "problems" },
    { number: count("warning"), one: "warning", many: "warnings" },
    { number: count("unknown"), one: "check could not be made", many: "checks could not be made" },
  ].filter(({ number }) => number > 0);
  if (parts.length === 0) return "All is well";
  return parts.map(({ number, one, many }) => countOf(number, one, many)).join(", ");
}

/** Breaks between words; a word that is longer than a line is broken where the line ends. */
function wrap(text: string, start: string): readonly string[] {
  const indent = " ".repeat(start.length);
  const room = WIDTH - start.length;
  const words = text.split(/\s+/).flatMap((word) => word.match(new RegExp(`.{1,${room}}`, "gsu")) ?? []);
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length <= room) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line].map((each, index) => `${index === 0 ? start : indent}${each}`);
}
