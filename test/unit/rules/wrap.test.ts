import * as fc from "fast-check";
import { expect, test } from "vitest";
import { wrap } from "../../../lib/rules/wrap.ts";

test("a short text stays as it is, the spaces before it too", () => {
  expect(wrap("  mode: enforce → audit", { indent: 4 })).toBe("  mode: enforce → audit");
});

test("a long text goes on in indented lines", () => {
  const lines = wrap(`+ ${"word ".repeat(30)}end`, { indent: 4 }).split("\n");
  expect(lines).toHaveLength(3);
  expect(lines.slice(1).every((line) => /^ {4}\S/.test(line))).toBe(true);
});

test("no line is wider than 80 columns, and nothing but spaces is lost", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^ {0,4}([a-z]{1,200} ){0,20}[a-z]{1,200}$/), (text) => {
      const wrapped = wrap(text, { indent: 4 });
      expect(wrapped.split("\n").every((line) => line.length <= 80)).toBe(true);
      expect(wrapped.replaceAll(/\s/g, "")).toBe(text.replaceAll(/\s/g, ""));
    }),
  );
});
