import { describe, expect, test } from "vitest";
import { didYouMean, nearestWord } from "../../../lib/policy/nearest-word.ts";
import { parseRuleSetJson } from "../../../lib/policy/rule-set.ts";

function firstMessage(value: unknown): string {
  const parsed = parseRuleSetJson(value);
  return parsed.ok ? "" : (parsed.issues[0]?.message ?? "");
}

describe("nearestWord", () => {
  const vocabulary = { known: ["tcp", "udp", "enforce"], aliases: { strict: "enforce" } };

  test.each([
    ["TCP", "tcp"],
    ["tpc", "tcp"],
    ["tc", "tcp"],
    ["enforced", "enforce"],
    ["en-forec", "enforce"],
    ["STRICT", "enforce"],
  ])("of %s is %s", (found, meant) => {
    expect(nearestWord(found, vocabulary)).toBe(meant);
  });

  test.each(["", "quic", "tdq", "constructor", "x".repeat(100_000)])("of %s is none", (found) => {
    expect(nearestWord(found, vocabulary)).toBeUndefined();
  });

  test("says nothing of what is no text", () => {
    expect([5, null, undefined, ["tcp"]].map((found) => didYouMean(found, vocabulary))).toEqual(["", "", "", ""]);
  });
});

describe("a rule set with another word in the place of a known one", () => {
  test.each([
    [{ action: "ALLOW" }, 'found "ALLOW", expected ACCEPT, DROP or REJECT: did you mean "ACCEPT"?'],
    [{ action: "deny" }, 'did you mean "DROP"?'],
    [{ action: "BLOCK" }, 'did you mean "DROP"?'],
    [{ action: "REJCET" }, 'did you mean "REJECT"?'],
    [{ action: "DROP", proto: "tpc" }, 'did you mean "tcp"?'],
    [{ action: "DROP", proto: "ipv6-icmp" }, 'did you mean "icmpv6"?'],
    [{ rules: [], mode: "enforced" }, 'found "enforced", expected "enforce" or "audit": did you mean "enforce"?'],
    [{ rules: [], mode: "dry-run" }, 'did you mean "audit"?'],
    [{ action: "DROP", protocol: "tcp" }, 'unknown key "protocol", did you mean "proto"?'],
    [{ action: "DROP", host: "db.example.com" }, "names are not addresses"],
  ])("%j is told the right one", (value, message) => {
    expect(firstMessage(value)).toContain(message);
  });

  test("is told none where none is near", () => {
    expect(firstMessage({ action: "RETURN" })).toBe('found "RETURN", expected ACCEPT, DROP or REJECT');
  });
});
