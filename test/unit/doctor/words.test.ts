import { expect, test } from "vitest";
import { countOf, formatAge, listSome } from "../../../lib/doctor/words.ts";

test("counts have their plural", () => {
  expect([countOf(1, "chain"), countOf(0, "chain"), countOf(2, "prefix", "prefixes")]).toEqual([
    "1 chain",
    "0 chains",
    "2 prefixes",
  ]);
});

test("a list shows the first few and how many more there are", () => {
  expect(listSome(["a", "b", "c"])).toBe("a, b, c");
  expect(listSome(["a", "b", "c", "d", "e"])).toBe("a, b, c and 2 more");
});

test("ages are in the unit that people would use", () => {
  expect([-5, 1_500, 119_000, 300_000, 7_200_000, 172_800_000].map(formatAge)).toEqual([
    "0 s",
    "2 s",
    "119 s",
    "5 min",
    "2 h",
    "2 d",
  ]);
});
