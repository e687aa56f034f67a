import { expect, test } from "vitest";
import { describeConflict } from "../../../lib/rules/conflict.ts";

const key = "global/x";

test("a conflict says both versions and what to do", () => {
  expect(describeConflict({ action: "put", key, readIndex: 12, nowIndex: 15 })).toBe(
    "Cannot put global/x: it is at version 15 (ModifyIndex), expected 12: look at it with outbound rules get global/x, and try again with --index 15",
  );
});

test("a key that came or went meanwhile is told as that", () => {
  expect(describeConflict({ action: "put", key, readIndex: 0, nowIndex: 15 })).toContain(
    "it is there already, as version 15",
  );
  expect(describeConflict({ action: "remove", key, readIndex: 12, nowIndex: 0 })).toContain(
    "it is not there any more, expected version 12",
  );
});
