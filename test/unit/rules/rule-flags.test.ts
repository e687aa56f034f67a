import { expect, test } from "vitest";
import { ProposalError } from "../../../lib/rules/proposal-error.ts";
import { parseRuleFlags } from "../../../lib/rules/rule-flags.ts";
import { rule } from "../policy/fixtures.ts";

test("flags make one rule", () => {
  const flags = {
    host: ["10.0.0.0/8", "192.168.0.0/16"],
    proto: "tcp",
    port: "80,443",
    action: "accept",
    comment: "c",
  };
  expect(parseRuleFlags(flags)).toEqual({
    rules: [rule({ ...flags, action: "ACCEPT" })],
    mode: "enforce",
  });
});

test("no flag is no rule", () => {
  expect(parseRuleFlags({})).toBeUndefined();
});

test("each issue names its flag", () => {
  const issuesOf = (): readonly string[] => {
    try {
      parseRuleFlags({ host: ["10.0.0.0/8", "db.example"], proto: "icmp", port: "1" });
    } catch (error) {
      if (error instanceof ProposalError) return error.issues.map(({ source }) => source);
    }
    return [];
  };
  expect(issuesOf()).toEqual(["--host", "--action"]);
});
