import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileRule, compileRules } from "../../../lib/netfilter/compile-rules.ts";
import { renderRule } from "../../../lib/netfilter/render-rule.ts";
import type { Family } from "../../../lib/policy/address.ts";
import { rules } from "../policy/arbitraries.ts";
import { rule } from "../policy/fixtures.ts";

/** What a rule becomes, as text without comments. */
function compiled(input: Parameters<typeof rule>[0], family: Family = 4): readonly string[] {
  return compileRule(rule(input), family).map((each) =>
    renderRule(each, family)
      .text.replace(/ ?-m comment --comment \S+/, "")
      .trim(),
  );
}

describe("compileRule", () => {
  test("of a rule without conditions is one rule in each family", () => {
    for (const family of [4, 6] as const) {
      expect(compiled({ action: "DROP" }, family)).toEqual(["-j DROP"]);
      expect(compiled({ action: "ACCEPT" }, family)).toEqual(["-g CNI-OUT-ACCEPT"]);
    }
  });

  test("splits addresses by family, and has nothing for a family that none is of", () => {
    const host = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"];
    expect(compiled({ host, action: "DROP" })).toEqual(["-d 10.0.0.0/8 -j DROP", "-d 192.0.2.1/32 -j DROP"]);
    expect(compiled({ host, action: "DROP" }, 6)).toEqual(["-d 2001:db8::/32 -j DROP"]);
    expect(compiled({ host: "10.0.0.0/8", action: "DROP" }, 6)).toEqual([]);
    expect(compiled({ host: "::/0", action: "DROP" })).toEqual([]);
  });

  test("puts each ICMP in its own family", () => {
    expect(compiled({ proto: "icmp", action: "DROP" })).toEqual(["-p icmp -j DROP"]);
    expect(compiled({ proto: "icmp", action: "DROP" }, 6)).toEqual([]);
    expect(compiled({ proto: "icmpv6", action: "DROP" })).toEqual([]);
    expect(compiled({ proto: "icmpv6", action: "DROP" }, 6)).toEqual(["-p ipv6-icmp -j DROP"]);
  });

  test("refuses TCP by a reset and all else by ICMP", () => {
    expect(compiled({ proto: "tcp", port: 1, action: "REJECT" })).toEqual([
      "-p tcp -m tcp --dport 1 -j REJECT --reject-with tcp-reset",
    ]);
    expect(compiled({ proto: "udp", action: "REJECT" })).toEqual(["-p udp -j REJECT"]);
    expect(compiled({ host: "10.0.0.1", action: "REJECT" })).toEqual([
      "-d 10.0.0.1/32 -p tcp -j REJECT --reject-with tcp-reset",
      "-d 10.0.0.1/32 -j REJECT",
    ]);
  });

  test("splits ports into groups of 15, a range counting as two", () => {
    const odd = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => 2 * index + 1);
    const tcp = (port: string) => compiled({ proto: "tcp", port, action: "DROP" });
    expect(tcp(odd(15).join(","))).toEqual([`-p tcp -m multiport --dports ${odd(15).join(",")} -j DROP`]);
    expect(tcp(odd(16).join(","))).toEqual([
      `-p tcp -m multiport --dports ${odd(15).join(",")} -j DROP`,
      "-p tcp -m tcp --dport 31 -j DROP",
    ]);
    expect(tcp(`${odd(13).join(",")},100-200`)).toHaveLength(1);
    expect(tcp(`${odd(14).join(",")},100-200`)).toEqual([
      `-p tcp -m multiport --dports ${odd(14).join(",")} -j DROP`,
      "-p tcp -m tcp --dport 100:200 -j DROP",
    ]);
  });

  test("multiplies addresses by groups of ports", () => {
    const port = Array.from({ length: 16 }, (_, index) => 2 * index).join(",");
    expect(compiled({ host: ["10.0.0.1", "10.0.0.2"], proto: "udp", port, action: "ACCEPT" })).toHaveLength(4);
  });

  test("loses no port and repeats none", () => {
    fc.assert(
      fc.property(rules(), (one) => {
        const matches = compileRule({ ...one, hosts: [], action: "DROP" }, one.protocol === "icmpv6" ? 6 : 4);
        expect(matches.flatMap(({ match }) => match.destinationPorts ?? [])).toEqual(one.ports);
      }),
    );
  });
});

test("compileRules keeps the order of rules", () => {
  const list = [rule({ host: "10.0.0.1", action: "DROP" }), rule({ host: "10.0.0.0/8", action: "ACCEPT" })];
  expect(compileRules(list, 4)).toEqual(list.flatMap((each) => compileRule(each, 4)));
});
