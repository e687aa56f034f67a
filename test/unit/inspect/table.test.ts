import { expect, test } from "vitest";
import { alignColumns, elide } from "../../../lib/inspect/table.ts";

test("columns start under each other, numbers end under each other, and no line ends in spaces", () => {
  const rows = [
    ["a", "1", "x"],
    ["long", "100", ""],
    ["b", "20"],
  ];
  expect(alignColumns(rows, { right: [1] })).toEqual(["a       1  x", "long  100", "b      20"]);
});

test("no rows are no lines", () => {
  expect(alignColumns([])).toEqual([]);
});

test("a cell that is too long is cut, and shows it", () => {
  expect(elide("abcdef", 6)).toBe("abcdef");
  expect(elide("abcdefg", 6)).toBe("abcde…");
});
