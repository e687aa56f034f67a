import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { covers } from "../../../lib/policy/covers.ts";
import { evaluate } from "../../../lib/policy/evaluate.ts";
import type { Packet } from "../../../lib/policy/evaluate.ts";
import type { Rule } from "../../../lib/policy/rule.ts";
import { rules } from "./arbitraries.ts";
import { rule } from "./fixtures.ts";

const nothing = { jobRules: [], initialRules: [], networkHasRuleSet: false, runtimeRuleSets: [] };

function matches(each: Rule, packet: Packet): boolean {
  const policy = { ...nothing, staticRules: [each], defaultAction: "ACCEPT" } as const;
  return evaluate(policy, packet).source.kind === "static";
}

describe("covers", () => {
  test.each([
    [{}, {}],
    [{}, { host: "10.0.0.1", proto: "tcp", port: 443 }],
    [{ host: "10.0.0.0/8" }, { host: ["10.0.0.1", "10.2.0.0/16"] }],
    [
      { proto: "tcp", port: "80-90" },
      { proto: "tcp", port: "80,85-86" },
    ],
  ])("is true of %j and %j", (earlier, later) => {
    expect(covers(rule({ action: "DROP", ...earlier }), rule({ action: "ACCEPT", ...later }))).toBe(true);
  });

  test.each([
    [{ host: "10.0.0.0/8" }, {}],
    [{ host: "0.0.0.0/0" }, { host: ["10.0.0.1", "::1"] }],
    [{ proto: "tcp" }, {}],
    [{ proto: "tcp" }, { proto: "udp" }],
    [{ proto: "tcp", port: 80 }, { proto: "tcp" }],
    [
      { proto: "tcp", port: 80 },
      { proto: "tcp", port: "80-81" },
    ],
  ])("is false of %j and %j", (earlier, later) => {
    expect(covers(rule({ action: "DROP", ...earlier }), rule({ action: "ACCEPT", ...later }))).toBe(false);
  });

  test("is true only where every packet of the later rule matches the earlier one", () => {
    const some = fc.constantFrom<Rule>(
      rule({ action: "DROP" }),
      rule({ action: "DROP", host: ["0.0.0.0/1", "::/1"] }),
      rule({ action: "DROP", proto: "tcp" }),
      rule({ action: "DROP", proto: "udp", port: "1-60000" }),
      rule({ action: "DROP", proto: "icmp" }),
    );
    let covered = 0;
    fc.assert(
      fc.property(fc.oneof(some, rules()), rules(), fc.nat(), (earlier, later, which) => {
        if (!covers(earlier, later)) return true;
        covered += 1;
        return packetsOf(later, which).every((packet) => !matches(later, packet) || matches(earlier, packet));
      }),
      { numRuns: 2000, seed: 5 },
    );
    expect(covered).toBeGreaterThan(100);
  });
});

/** Packets at the edges of what a rule matches. */
function packetsOf({ hosts, ports, protocol }: Rule, which: number): readonly Packet[] {
  const destinations =
    hosts.length === 0
      ? ([
          { family: 4, destination: "203.0.113.9" },
          { family: 6, destination: "2001:db8::9" },
        ] as const)
      : hosts.map(({ family, address }) => ({ family, destination: address }));
  const edges = ports.flatMap(({ first, last }) => [first, last]);
  const name = protocol === "all" ? (["tcp", "udp", "icmp", "gre"][which % 4] ?? "tcp") : protocol;
  return destinations.flatMap((destination) =>
    (edges.length === 0 ? [which % 65_536] : edges).map((port) => ({ ...destination, protocol: name, port })),
  );
}
