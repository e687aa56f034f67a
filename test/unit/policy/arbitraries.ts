import * as fc from "fast-check";
import { formatCidr, parseCidr } from "../../../lib/policy/address.ts";
import type { Cidr } from "../../../lib/policy/address.ts";
import { parsePorts } from "../../../lib/policy/ports.ts";
import type { Action, Protocol, Rule } from "../../../lib/policy/rule.ts";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import type { Scope } from "../../../lib/policy/scope.ts";

/** Blocks of one family, host bits cleared by asking the parser what it would have written. */
export function cidrs(family: 4 | 6): fc.Arbitrary<Cidr> {
  const longest = family === 4 ? 32 : 128;
  const address = family === 4 ? fc.ipV4() : fc.ipV6().filter((text) => !text.includes("."));
  return fc
    .tuple(address, fc.integer({ min: 0, max: longest }))
    .filter(([text, prefix]) => family === 4 || prefix < 96 || !text.startsWith("::"))
    .map(([text, prefix]) => clearHostBits(text, prefix));
}

export function actions(): fc.Arbitrary<Action> {
  return fc.constantFrom<Action>("ACCEPT", "DROP", "REJECT");
}

export function rules(): fc.Arbitrary<Rule> {
  return fc.constantFrom<Protocol>("tcp", "udp", "sctp", "icmp", "icmpv6", "all").chain((protocol) => {
    const host = protocol === "icmp" ? cidrs(4) : protocol === "icmpv6" ? cidrs(6) : fc.oneof(cidrs(4), cidrs(6));
    const port = fc.oneof(
      fc.integer({ min: 0, max: 65_535 }).map((first) => `${first}`),
      fc
        .tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 65_535 }))
        .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    );
    const hasPorts = protocol === "tcp" || protocol === "udp" || protocol === "sctp";
    return fc
      .record({
        hosts: fc.array(host, { maxLength: 4 }),
        ports: hasPorts ? fc.array(port, { maxLength: 5 }) : fc.constant([]),
        action: actions(),
        comment: fc.option(fc.string({ unit: "binary", maxLength: 40 }), { nil: undefined }),
      })
      .map(({ hosts, ports, action, comment }) => ({
        hosts,
        protocol,
        ports: ports.length === 0 ? [] : parsePorts(ports.join(",")),
        action,
        ...(comment === undefined ? {} : { comment }),
      }));
  });
}

export function ruleSets(): fc.Arbitrary<RuleSet> {
  return fc
    .record({
      rules: fc.array(rules(), { maxLength: 5 }),
      mode: fc.constantFrom<RuleSet["mode"]>("enforce", "audit"),
      expiresAt: fc.option(
        fc
          .date({
            min: new Date("0000-01-01T00:00:00Z"),
            max: new Date("9999-12-31T23:59:59.999Z"),
            noInvalidDate: true,
          })
          .map((date) => date.getTime()),
        { nil: undefined },
      ),
      description: fc.option(fc.string(), { nil: undefined }),
    })
    .map(({ rules, mode, expiresAt, description }) => ({
      rules,
      mode,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(description === undefined ? {} : { description }),
    }));
}

/** Names as Nomad and people give them: any well-formed text, and what is special in paths and keys. */
export function names(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 12 }),
    fc.constantFrom(".", "..", "...", "a/b", "=2E", "job", "group", "alloc", "\u{feff}x", "web/dispatch-1700-ab", " "),
  );
}

export function scopes(): fc.Arbitrary<Scope> {
  const [namespace, job, group, alloc] = [names(), names(), names(), names()];
  return fc.oneof(
    fc.constant<Scope>({ kind: "global" }),
    names().map((node): Scope => ({ kind: "node", node })),
    names().map((network): Scope => ({ kind: "network", network })),
    namespace.map((each): Scope => ({ kind: "namespace", namespace: each })),
    fc.record({ kind: fc.constant("job" as const), namespace, job }),
    fc.record({ kind: fc.constant("group" as const), namespace, job, group }),
    fc.record({ kind: fc.constant("alloc" as const), namespace, alloc }),
  );
}

function clearHostBits(text: string, prefix: number): Cidr {
  try {
    return parseCidr(`${text}/${prefix}`);
  } catch (error) {
    const suggested = / write (\S+) or /.exec(String(error))?.[1];
    if (suggested === undefined) throw error;
    const cidr = parseCidr(suggested);
    if (formatCidr(cidr) !== suggested) throw new Error(`${suggested} is not canonical`, { cause: error });
    return cidr;
  }
}
