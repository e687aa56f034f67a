import { expect, test } from "vitest";
import { describeConflict } from "../../../lib/rules/conflict.ts";

const key = "global/x";

test("a conflict says both versions and what to do", () => {
  expect(describeConflict({ action: "put", key, readIndex: 12, nowIndex: 15 })).toBe(
    "Cannot put global/x: it was changed by somebody else since it was read (ModifyIndex 12, now 15): look at it with outbound rules get global/x, and try again",
  );
});

test("a key that came or went meanwhile is told as that", () => {
  expect(describeConflict({ action: "put", key, readIndex: 0, nowIndex: 15 })).toContain("created by somebody else");
  expect(describeConflict({ action: "remove", key, readIndex: 12, nowIndex: 0 })).toContain("removed by somebody else");
});
