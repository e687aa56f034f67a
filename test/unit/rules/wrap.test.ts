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

test("a flag stays with its value, quoted or not", () => {
  const flags = [
    "--namespace default",
    "--job 'a b c'",
    String.raw`--group 'it'\''s mine'?`,
    String.raw`--node $'a\' b'`,
  ];
  for (let length = 1; length < 90; length += 1) {
    const wrapped = wrap(`${"x".repeat(length)} ${flags.join(" ")} end of it`, { indent: 2 });
    expect(flags.filter((flag) => !wrapped.includes(flag))).toEqual([]);
  }
});

test("flags one after the other, and a quote that is never closed, hold nothing together but the next word", () => {
  const wrapped = wrap(`${"x".repeat(66)} --json --name 'open and ${"word ".repeat(30)}end`, { indent: 2 });
  expect(wrapped.split("\n").slice(0, 2)).toEqual([
    `${"x".repeat(66)} --json`,
    expect.stringMatching(/^ {2}--name 'open/),
  ]);
});

test("a word that fits on a line is never cut, and begins further to the left where it has to", () => {
  for (let length = 1; length <= 80; length += 1) {
    const key = `${"k".repeat(length - 1)}:`;
    const lines = wrap(`was accept  KV ${key} of it`, { indent: 20 }).split("\n");
    expect(lines.join("\n")).toContain(key);
    expect(lines.every((line) => line.length <= 80)).toBe(true);
  }
  const key = "k".repeat(70);
  expect(wrap(`was accept  KV ${key}`, { indent: 20 })).toBe(`was accept  KV\n${" ".repeat(10)}${key}`);
});

test("no line is wider than 80 columns, and nothing but spaces is lost", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^ {0,4}((--)?[a-z']{1,200} ){0,20}[a-z]{1,200}$/), (text) => {
      const wrapped = wrap(text, { indent: 4 });
      expect(wrapped.split("\n").every((line) => line.length <= 80)).toBe(true);
      expect(wrapped.replaceAll(/\s/g, "")).toBe(text.replaceAll(/\s/g, ""));
    }),
  );
});
