import { check, property, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { parseCniArgs, parseJobRules } from "../../../lib/cni/args.ts";
import type { JobRulesMode } from "../../../lib/cni/config.ts";
import { CniError } from "../../../lib/cni/errors.ts";

const NOMAD = {
  NOMAD_REGION: "global",
  NOMAD_NAMESPACE: "default",
  NOMAD_JOB_ID: "web",
  NOMAD_GROUP_NAME: "front",
  NOMAD_ALLOC_ID: "8623ac7a-28ba-20c3-24a6-e615a39bbbf3",
};

describe("parseCniArgs", () => {
  test("reads what Nomad says of the allocation, in any order", () => {
    const pairs = ["IgnoreUnknown=true", ...Object.entries(NOMAD).map((pair) => pair.join("="))];
    const expected = {
      identity: { region: "global", namespace: "default", job: "web", group: "front" },
      ambiguous: [],
    };

    expect(parseCniArgs(pairs.join(";"))).toEqual(expected);
    expect(parseCniArgs(pairs.toReversed().join(";"))).toEqual(expected);
  });

  test("splits a pair at its first = only", () => {
    expect(parseCniArgs("NOMAD_JOB_ID=a=b=c;outbound.additional_rules={=}")).toEqual({
      identity: { job: "a=b=c" },
      additionalRules: "{=}",
      ambiguous: [],
    });
  });

  test.each([
    ["nothing at all", ""],
    ["pairs without =", "NOMAD_JOB_ID;outbound.additional_rules"],
    ["empty values", "NOMAD_JOB_ID=;NOMAD_NAMESPACE=;outbound.additional_rules="],
    ["empty keys", "=a;;=;==b"],
    ["other people's keys", "IP=10.0.0.1;toString=x;__proto__=y;nomad_job_id=web"],
  ])("takes %s for absent", (_, text) => {
    expect(parseCniArgs(text)).toEqual({ identity: {}, ambiguous: [] });
  });

  test("takes the first of several rule texts", () => {
    expect(parseCniArgs("outbound.additional_rules=[1];outbound.additional_rules=[2]").additionalRules).toBe("[1]");
  });

  test("believes neither of two values for one of Nomad's keys", () => {
    expect(parseCniArgs("NOMAD_NAMESPACE=prod;NOMAD_JOB_ID=web;NOMAD_NAMESPACE=default")).toEqual({
      identity: { job: "web" },
      ambiguous: ["NOMAD_NAMESPACE"],
    });
  });

  test("does not mind the same value twice", () => {
    expect(parseCniArgs("NOMAD_JOB_ID=web;NOMAD_JOB_ID=web")).toEqual({ identity: { job: "web" }, ambiguous: [] });
  });

  test("never throws", () => {
    const report = check(property(string({ unit: "binary", maxLength: 200 }), (text) => void parseCniArgs(text)));

    expect(report.counterexample).toBeNull();
  });
});

describe("parseJobRules", () => {
  const accept = { host: "10.1.2.0/24", proto: "tcp", port: "5432", action: "accept" };
  const drop = { host: "10.9.0.0/16", action: "DROP" };
  const reject = { port: 25, proto: "tcp", action: "REJECT" };

  test("takes a list of rules in its order", () => {
    const { rules, ignored } = parseJobRules(JSON.stringify([accept, drop, reject]), "accept");

    expect(rules.map((rule) => rule.action)).toEqual(["ACCEPT", "DROP", "REJECT"]);
    expect(rules[0]).toEqual({
      hosts: [{ family: 4, address: "10.1.2.0", prefix: 24 }],
      protocol: "tcp",
      ports: [{ first: 5432, last: 5432 }],
      action: "ACCEPT",
    });
    expect(ignored).toBe(0);
  });

  test("takes one rule that is in no list", () => {
    expect(parseJobRules(JSON.stringify(drop), "accept").rules).toEqual(
      parseJobRules(JSON.stringify([drop]), "accept").rules,
    );
  });

  test("leaves accepts out where only denies are allowed, and says how many", () => {
    const { rules, ignored } = parseJobRules(JSON.stringify([accept, drop, accept, reject]), "deny-only");

    expect(rules.map((rule) => rule.action)).toEqual(["DROP", "REJECT"]);
    expect(ignored).toBe(2);
  });

  test("does not even look at what is ignored", () => {
    expect(parseJobRules("{ not JSON", "ignore")).toEqual({ rules: [], ignored: 0 });
  });

  test("takes an empty list", () => {
    expect(parseJobRules("[]", "accept")).toEqual({ rules: [], ignored: 0 });
  });

  const wrong: readonly (readonly [text: string, path: string])[] = [
    ["{", "not JSON"],
    ["", "not JSON"],
    ["null", "expected a rule or a list of rules"],
    ['"DROP"', "expected a rule or a list of rules"],
    ["{}", "action: missing, expected ACCEPT, DROP or REJECT"],
    ["[[]]", "[0]: "],
    [JSON.stringify([drop, { ...drop, port: 99_999, proto: "tcp" }]), "[1].port: "],
    [JSON.stringify({ ...drop, host: "example.com" }), "host: "],
    [JSON.stringify([{ ...drop, prot: "tcp" }]), '[0].prot: unknown key "prot"'],
  ];
  const modes: readonly JobRulesMode[] = ["accept", "deny-only"];

  test.each(modes.flatMap((mode) => wrong.map(([text, path]) => [mode, text, path] as const)))(
    "with %s refuses %j and says %s",
    (mode, text, path) => {
      const error = failure(() => parseJobRules(text, mode));

      expect(error.code).toBe(4);
      expect(error.message).toMatch(/^Cannot parse outbound\.additional_rules in CNI_ARGS: /);
      expect(error.message).toContain(path);
    },
  );

  test("tells every issue at once", () => {
    const { message } = failure(() => parseJobRules('[{"action":"ALLOW"},{"action":"DROP","host":1}]', "accept"));

    expect(message).toContain("[0].action: ");
    expect(message).toContain("; [1].host: ");
  });

  test("refuses a rule that would become more netfilter rules than a node should bear", () => {
    const host = Array.from({ length: 201 }, (_, index) => `10.0.0.${index}`);
    const port = Array.from({ length: 1500 }, (_, index) => index * 2).join(",");
    const text = JSON.stringify({ host, proto: "tcp", port, action: "DROP" });

    expect(failure(() => parseJobRules(text, "accept")).message).toContain("20100 netfilter rules");
  });
});

function failure(act: () => unknown): CniError {
  try {
    act();
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error("Expected a CniError, got none");
}
