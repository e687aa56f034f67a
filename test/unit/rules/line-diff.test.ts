import * as fc from "fast-check";
import { expect, test } from "vitest";
import { diffLists } from "../../../lib/rules/line-diff.ts";

const textOf = (item: string): string => item;

function diff(before: string, after: string): string {
  return diffLists(before.split(""), after.split(""), { textOf })
    .map(({ sign, item }) => `${sign}${item}`)
    .join(" ");
}

test("what is the same stays between what goes and what comes", () => {
  expect(diff("abcd", "axcde")).toBe("=a -b +x =c =d +e");
});

test("an item that moved goes from one place and comes at the other", () => {
  expect(diff("abc", "bca")).toBe("-a =b =c +a");
});

test("the changes lead from the one list to the other, with as few as there can be of equal ones", () => {
  const lists = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 12 });
  fc.assert(
    fc.property(lists, lists, (before, after) => {
      const changes = diffLists(before, after, { textOf });
      expect(changes.filter(({ sign }) => sign !== "+").map(({ item }) => item)).toEqual(before);
      expect(changes.filter(({ sign }) => sign !== "-").map(({ item }) => item)).toEqual(after);
    }),
  );
});

test("lists that have too little in common are not aligned: all goes, all comes", () => {
  const before = Array.from({ length: 20_000 }, (_, index) => `a${index}`);
  const after = before.map((item) => `b${item}`);
  const signs = diffLists(before, after, { textOf }).map(({ sign }) => sign);
  expect(signs.slice(0, 20_000)).toEqual(before.map(() => "-"));
  expect(signs.slice(20_000)).toEqual(after.map(() => "+"));
});
