import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatSections } from "../../../lib/doctor/format-sections.ts";

test("each check is a line with its mark, and below it what to do", () => {
  const checks = [
    { name: "a", state: "ok", message: "a is good" },
    { name: "b", state: "warning", message: "b is old", remedy: "Make b new" },
    { name: "c", state: "problem", message: "c is gone", remedy: "Bring c back" },
    { name: "d", state: "unknown", message: "whether d is: needs root" },
  ] as const;
  expect(
    formatSections([
      { title: "Kernel", checks },
      { title: "CNI", checks: [] },
    ]),
  ).toBe(
    [
      "Kernel",
      "  ok    a is good",
      "  warn  b is old",
      "        -> Make b new",
      "  FAIL  c is gone",
      "        -> Bring c back",
      "  ?     whether d is: needs root",
      "",
      "CNI",
      "",
      "1 problem, 1 warning, 1 check could not be made",
    ].join("\n"),
  );
});

test("says in a word that all is well", () => {
  const checks = [{ name: "a", state: "ok", message: "a" }] as const;
  expect(formatSections([{ title: "State", checks }])).toMatch(/\n\nAll is well$/);
});

test("no line is longer than 80 columns, and no word is lost", () => {
  const text = fc.array(fc.string({ minLength: 1, maxLength: 200, unit: fc.constantFrom("a", "/", "-", "9") }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(text, text, (words, more) => {
      const check = { name: "a", state: "problem", message: words.join(" "), remedy: more.join(" ") } as const;
      const [, printed = ""] = formatSections([{ title: "T", checks: [check] }]).split(/^T\n([\s\S]*)\n\n1 problem$/);
      const lines = printed.split("\n");
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
      const shown = printed
        .replace(/^ {2}FAIL/, "")
        .replace("-> ", "")
        .replaceAll(/\s/g, "");
      expect(shown).toBe([...words, ...more].join(""));
    }),
  );
});
