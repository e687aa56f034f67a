import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { formatCidr } from "../../../lib/policy/address.ts";
import { toIssues } from "../../../lib/policy/issue.ts";
import { formatPorts } from "../../../lib/policy/ports.ts";
import { formatRule, ruleSchema } from "../../../lib/policy/rule.ts";
import { rules } from "./arbitraries.ts";

function issuesOf(value: unknown): readonly string[] {
  const result = ruleSchema.safeParse(value);
  return result.success ? [] : toIssues(result.error).map(({ path, message }) => `${path}: ${message}`);
}

describe("ruleSchema", () => {
  test("reads the rule of the documentation", () => {
    const rule = ruleSchema.parse({
      host: "10.1.2.0/24",
      proto: "tcp",
      port: "5432",
      action: "ACCEPT",
      comment: "orders db",
    });
    expect(rule).toEqual({
      hosts: [{ family: 4, address: "10.1.2.0", prefix: 24 }],
      protocol: "tcp",
      ports: [{ first: 5432, last: 5432 }],
      action: "ACCEPT",
      comment: "orders db",
    });
  });

  test("reads an action alone as any address, protocol and port", () => {
    expect(ruleSchema.parse({ action: "DROP" })).toEqual({ hosts: [], protocol: "all", ports: [], action: "DROP" });
  });

  test("reads lists of hosts and numbers as ports", () => {
    const rule = ruleSchema.parse({ host: ["10.0.0.1", "2001:DB8::/32"], proto: "udp", port: 53, action: "REJECT" });
    expect(rule.hosts.map(formatCidr)).toEqual(["10.0.0.1/32", "2001:db8::/32"]);
    expect(formatPorts(rule.ports)).toBe("53");
  });

  test("takes action and proto in any case", () => {
    const rule = ruleSchema.parse({ proto: "TcP", action: "accept" });
    expect([rule.protocol, rule.action]).toEqual(["tcp", "ACCEPT"]);
    expect(issuesOf({ action: "drop", proto: "ALL" })).toEqual([]);
  });

  test.each([
    [{}, "$.action: missing, expected ACCEPT, DROP or REJECT"],
    [{ action: "ALLOW" }, '$.action: found "ALLOW", expected ACCEPT, DROP or REJECT: did you mean "ACCEPT"?'],
    [{ action: "ACCEPT " }, '$.action: found "ACCEPT ", expected ACCEPT, DROP or REJECT: did you mean "ACCEPT"?'],
    [{ action: true }, "$.action: found true, expected ACCEPT, DROP or REJECT"],
    [{ action: null }, "$.action: found null, expected ACCEPT, DROP or REJECT"],
    [
      { action: "DROP", proto: "any" },
      '$.proto: found "any", expected tcp, udp, sctp, icmp, icmpv6 or all: did you mean "all"?',
    ],
    [{ action: "DROP", proto: 6 }, "$.proto: found 6, expected tcp, udp, sctp, icmp, icmpv6 or all"],
    [{ action: "DROP", proto: null }, "$.proto: found null, expected tcp, udp, sctp, icmp, icmpv6 or all"],
    [
      { action: "DROP", proto: "ſctp" },
      '$.proto: found "ſctp", expected tcp, udp, sctp, icmp, icmpv6 or all: did you mean "sctp"?',
    ],
    [{ action: "DROP", host: null }, "$.host: found null, expected an IPv4 or IPv6 address or CIDR, or a list of them"],
    [
      { action: "DROP", host: {} },
      "$.host: found an object, expected an IPv4 or IPv6 address or CIDR, or a list of them",
    ],
    [{ action: "DROP", host: [] }, "$.host: found an empty list, expected a list of at least one address"],
    [{ action: "DROP", host: ["::1", 5] }, "$.host[1]: found 5, expected an IPv4 or IPv6 address or CIDR"],
    [
      { action: "DROP", host: "10.1.2.3/8" },
      '$.host: Cannot parse address: "10.1.2.3/8" has host bits set: write 10.0.0.0/8 or 10.1.2.3/32',
    ],
    [
      { action: "DROP", host: ["::1", "db"] },
      '$.host[1]: Cannot parse address: names are not addresses: found "db", expected an IPv4 or IPv6 address or CIDR',
    ],
    [
      { action: "DROP", proto: "tcp", port: 70_000 },
      "$.port: Cannot parse port: 70000 is out of range, expected 0-65535",
    ],
    [
      { action: "DROP", proto: "tcp", port: [80] },
      '$.port: found a list, expected a port, or ports and ranges such as "80,8000-8100"',
    ],
    [
      { action: "DROP", proto: "tcp", port: null },
      '$.port: found null, expected a port, or ports and ranges such as "80,8000-8100"',
    ],
    [{ action: "DROP", port: 80 }, "$.port: found a port with proto all, expected proto tcp, udp or sctp with it"],
    [
      { action: "DROP", proto: "icmp", port: 8 },
      "$.port: found a port with proto icmp, expected proto tcp, udp or sctp with it",
    ],
    [
      { action: "DROP", proto: "icmp", host: "::1" },
      "$.host: found the IPv6 host ::1/128 with proto icmp, which never match together, expected proto icmpv6",
    ],
    [
      { action: "DROP", proto: "icmpv6", host: ["::1", "10.0.0.1"] },
      "$.host[1]: found the IPv4 host 10.0.0.1/32 with proto icmpv6, which never match together, expected proto icmp",
    ],
    [{ action: "DROP", comment: 5 }, "$.comment: found 5, expected text of at most 1024 characters"],
    ["DROP", '$: found "DROP", expected a rule object'],
    [null, "$: found null, expected a rule object"],
    [[], "$: found an empty list, expected a rule object"],
  ])("refuses %j and says where and why", (value, issue) => {
    expect(issuesOf(value)).toEqual([issue]);
  });

  test("takes a comment of 1024 characters and refuses one more", () => {
    expect(issuesOf({ action: "DROP", comment: "x".repeat(1024) })).toEqual([]);
    expect(issuesOf({ action: "DROP", comment: "x".repeat(1025) })).toEqual([
      `$.comment: found "${"x".repeat(60)}…", expected text of at most 1024 characters`,
    ]);
  });

  test.each([
    ["protocol", "proto"],
    ["Host", "host"],
    ["dst", "host"],
    ["destination", "host"],
    ["dport", "port"],
    ["ports", "port"],
    ["target", "action"],
    ["Action", "action"],
    ["coment", "comment"],
  ])("for the unknown key %s suggests %s", (key, meant) => {
    expect(issuesOf({ action: "DROP", [key]: "x" })).toEqual([
      `$.${key}: unknown key "${key}", did you mean "${meant}"?`,
    ]);
  });

  test("refuses __proto__ as a key like any other", () => {
    expect(issuesOf(JSON.parse('{"action":"DROP","__proto__":{"action":"ACCEPT"}}'))).toEqual([
      '$.__proto__: unknown key "__proto__", did you mean "proto"?',
    ]);
  });

  test("tells all that is wrong at once", () => {
    expect(issuesOf({ host: "db", proto: "x", port: "y", action: "z" })).toHaveLength(4);
  });

  test("has a JSON Schema for its input, which an editor can use", () => {
    const schema = z.toJSONSchema(ruleSchema, { io: "input" });
    expect(schema).toMatchObject({ type: "object", required: ["action"], additionalProperties: false });
    expect(Object.keys(schema.properties ?? {})).toEqual(["host", "proto", "port", "action", "comment"]);
    const action = z.object({ pattern: z.string() }).parse(schema.properties?.["action"]);
    expect("aCCept").toMatch(new RegExp(action.pattern));
    expect("ACCEPTS").not.toMatch(new RegExp(action.pattern));
    const proto = z.object({ pattern: z.string() }).parse(schema.properties?.["proto"]);
    expect("ICMPv6").toMatch(new RegExp(proto.pattern));
  });
});

describe("formatRule", () => {
  test("writes the canonical form", () => {
    const rule = ruleSchema.parse({ host: ["10.0.0.1"], proto: "TCP", port: "443, 80", action: "accept" });
    expect(formatRule(rule)).toEqual({ host: "10.0.0.1/32", proto: "tcp", port: "80,443", action: "ACCEPT" });
    expect(formatRule(ruleSchema.parse({ proto: "all", action: "drop" }))).toEqual({ action: "DROP" });
  });

  test("writes what parses to the same rule, through JSON", () => {
    fc.assert(
      fc.property(rules(), (rule) => {
        expect(ruleSchema.parse(JSON.parse(JSON.stringify(formatRule(rule))))).toEqual(rule);
      }),
    );
  });
});
