import { expect, test } from "vitest";
import { findNearKeys } from "../../../lib/rules/near-keys.ts";

const keys = [
  "global/allow-db",
  "global/allow-dbs",
  "namespace/default/job/web/allow-db",
  "node/n/other",
  "bad/allow-db",
];

test("the same name in other scopes is near", () => {
  expect(findNearKeys(keys, { scope: { kind: "namespace", namespace: "default" }, name: "allow-db" })).toEqual([
    "global/allow-db",
    "namespace/default/job/web/allow-db",
  ]);
});

test("a name with a slip of the pen is near in its own scope only", () => {
  expect(findNearKeys(keys, { scope: { kind: "global" }, name: "alow-db" })).toContain("global/allow-db");
  expect(findNearKeys(keys, { scope: { kind: "node", node: "n" }, name: "alow-db" })).toEqual([]);
});
