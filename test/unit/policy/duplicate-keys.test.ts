import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findDuplicateKeys } from "../../../lib/policy/duplicate-keys.ts";

function pathsOf(text: string): readonly string[] {
  return findDuplicateKeys(text).map(({ path }) => path);
}

describe("findDuplicateKeys", () => {
  test("finds each key that one object has more than once, and says how often", () => {
    expect(findDuplicateKeys('{"a":1,"b":{"x":[{"y":0,"y":0}]},"a":2,"a":3}')).toEqual([
      { path: "$.b.x[0].y", message: 'found the key "y" twice, expected it once' },
      { path: "$.a", message: 'found the key "a" 3 times, expected it once' },
    ]);
  });

  test("takes one key in two objects as it is meant", () => {
    expect(pathsOf('[{"host":1},{"host":{"host":2}}]')).toEqual([]);
  });

  test.each(["__proto__", "constructor", "", "a b", "\u{1f600}"])("knows the key %j like any other", (key) => {
    const name = JSON.stringify(key);
    expect(pathsOf(`{${name}:1}`)).toEqual([]);
    expect(pathsOf(`{${name}:1,${name}:1}`)).toHaveLength(1);
  });

  test("finds none in what JSON.stringify wrote", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(pathsOf(text)).toEqual([]);
      }),
    );
  });
});
