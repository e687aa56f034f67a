import { expect, test } from "vitest";
import { hasColour, highlight } from "../../../cmd/colour.ts";

const green = (text: string): string => `\u{1b}[32m${text}\u{1b}[39m`;
const yellow = (text: string): string => `\u{1b}[33m${text}\u{1b}[39m`;

test("whole words are coloured, and parts of other words are not", () => {
  const words = { ok: "green" } as const;
  expect(highlight("ok, is ok", { words })).toBe(`${green("ok")}, is ${green("ok")}`);
  for (const text of ["token", "not-ok", "global/ok", "ok.json", "name=ok", "ok_1"]) {
    expect(highlight(text, { words })).toBe(text);
  }
});

test("of two words that begin alike the longer counts, and signs stand for themselves", () => {
  const words = { "in force": "green", in: "yellow", "?": "yellow" } as const;
  expect(highlight("in force in", { words })).toBe(`${green("in force")} ${yellow("in")}`);
  expect(highlight("a ? b", { words })).toBe(`a ${yellow("?")} b`);
});

test("only where it is said is searched", () => {
  const highlights = { words: { ok: "green" }, where: /^\S+/gm } as const;
  expect(highlight("ok a set named ok\nno ok", highlights)).toBe(`${green("ok")} a set named ok\nno ok`);
});

test("nothing else of the text changes", () => {
  expect(highlight("a\nb", { words: {} })).toBe("a\nb");
  expect(highlight("a $1 $& b", { words: { a: "green" } })).toBe(`${green("a")} $1 $& b`);
});

test("colours are for terminals that have them, and never with NO_COLOR", () => {
  expect(hasColour({ isTerminal: true, env: { TERM: "xterm" } })).toBe(true);
  expect(hasColour({ isTerminal: true, env: { NO_COLOR: "" } })).toBe(true);
  expect(hasColour({ isTerminal: false, env: { TERM: "xterm" } })).toBe(false);
  expect(hasColour({ isTerminal: true, env: { TERM: "dumb" } })).toBe(false);
  expect(hasColour({ isTerminal: true, env: { TERM: "xterm", NO_COLOR: "0" } })).toBe(false);
});
