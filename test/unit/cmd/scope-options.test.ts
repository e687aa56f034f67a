import { expect, test } from "vitest";
import { readScope } from "../../../cmd/scope-options.ts";

const ID = "8f1c0001-1111-2222-3333-444455556666";

test.each(["8f1c", "8f1c0001", "8f1c0001-11", ID.slice(0, -1)])(
  "the start of an allocation's id, %s, names no scope: the rule set would apply to nothing",
  (alloc) => {
    expect(() => readScope({ namespace: "default", alloc })).toThrow(/is the start of an id, expected the whole one/);
  },
);

test.each([ID, "web-1", "a1".repeat(32), "abc"])("a whole id, %s, names an allocation", (alloc) => {
  expect(readScope({ namespace: "default", alloc })).toEqual({ kind: "alloc", namespace: "default", alloc });
});
