import { expect, test } from "vitest";
import { chainStates, readTables } from "../../../lib/inspect/kernel.ts";
import { attachmentWith, tableOf, unreadableKernel } from "./fixtures.ts";

const attachment = attachmentWith();
const context = { runtimeRules: { node: "n1", ruleSets: [] }, nowMs: 0 };
const ipv4 = tableOf([attachment], { family: 4, ...context });

test("a chain is present, missing, or empty after a flush", () => {
  expect(chainStates(attachment, { 4: ipv4, 6: new Map() })).toEqual({ ipv4: "present", ipv6: "missing" });
  const flushed = new Map([...ipv4.keys()].map((name) => [name, []] as const));
  expect(chainStates(attachment, { 4: flushed, 6: ipv4 })).toEqual({ ipv4: "empty", ipv6: "present" });
});

test("a family that the host or the attachment has not is unused, one that cannot be read unknown", () => {
  expect(chainStates(attachment, { 4: "unreadable", 6: "absent" })).toEqual({ ipv4: "unknown", ipv6: "unused" });
  const { hostInterface: _, ...unbound } = attachmentWith({ addresses: ["10.88.0.2"] });
  expect(chainStates(unbound, { 4: ipv4, 6: "unreadable" })).toEqual({ ipv4: "present", ipv6: "unused" });
});

test("only what was read is a table", () => {
  expect([...readTables({ 4: ipv4, 6: "absent" }).keys()]).toEqual([4]);
  expect([...readTables(unreadableKernel).keys()]).toEqual([]);
});
