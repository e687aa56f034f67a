import type { Cidr, Family } from "../policy/address.ts";
import type { PortRange } from "../policy/ports.ts";
import type { Action, Protocol, Rule } from "../policy/rule.ts";
import type { ChainRule, RuleMatch, Target } from "./chain.ts";
import { ACCEPT_CHAIN } from "./names.ts";

/** xt_multiport takes 15 ports, a range counting as two (XT_MULTI_PORTS in linux/netfilter/xt_multiport.h). */
const MULTIPORT_UNITS = 15;

/** The rules of one family that `rule` stands for: one for each of its addresses and groups of ports. */
export function compileRule(rule: Rule, family: Family): readonly ChainRule[] {
  return matchesOf(rule, family).flatMap((match) => withTarget(match, rule.action));
}

/** The same matches, each sent on to one target whatever the rule's action: one rule also for what is refused. */
export function compileRuleTo(
  rule: Rule,
  { family, target }: { readonly family: Family; readonly target: Target },
): readonly ChainRule[] {
  return matchesOf(rule, family).map((match) => ({ match, target }));
}

/**
 * Rules that end what matches with `action`. TCP is refused by a reset: over IPv6 a sender takes no notice of an ICMP
 * error before its second try, and an open connection of either family none at all.
 */
export function withTarget(match: RuleMatch, action: Action): readonly ChainRule[] {
  switch (action) {
    case "ACCEPT":
      return [{ match, target: { kind: "goto", chain: ACCEPT_CHAIN } }];
    case "DROP":
      return [{ match, target: { kind: "drop" } }];
    case "REJECT":
      if (match.protocol === "tcp") return [{ match, target: { kind: "reset" } }];
      if (match.protocol) return [{ match, target: { kind: "reject" } }];
      return [
        { match: { ...match, protocol: "tcp" }, target: { kind: "reset" } },
        { match, target: { kind: "reject" } },
      ];
  }
}

/** The rules of one family, in order. */
export function compileRules(rules: readonly Rule[], family: Family): readonly ChainRule[] {
  return rules.flatMap((rule) => compileRule(rule, family));
}

function matchesOf(rule: Rule, family: Family): readonly RuleMatch[] {
  const protocol = protocolIn(rule.protocol, family);
  if (protocol === "none") return [];
  const base: RuleMatch = protocol === "all" ? {} : { protocol };
  return destinationsIn(rule.hosts, family).flatMap((destination) =>
    portGroups(rule.ports).map((ports) => ({
      ...base,
      ...(destination && { destination }),
      ...(ports && { destinationPorts: ports }),
    })),
  );
}

function protocolIn(protocol: Protocol, family: Family): NonNullable<RuleMatch["protocol"]> | "all" | "none" {
  if (protocol === "icmp") return family === 4 ? "icmp" : "none";
  if (protocol === "icmpv6") return family === 6 ? "ipv6-icmp" : "none";
  return protocol;
}

/** `undefined` stands for any address. A rule that names only addresses of the other family has none. */
function destinationsIn(hosts: readonly Cidr[], family: Family): readonly (Cidr | undefined)[] {
  return hosts.length === 0 ? [undefined] : hosts.filter((host) => host.family === family);
}

function portGroups(ports: readonly PortRange[]): readonly (readonly PortRange[] | undefined)[] {
  if (ports.length === 0) return [undefined];
  const groups: PortRange[][] = [];
  let room = 0;
  for (const range of ports) {
    const units = range.first === range.last ? 1 : 2;
    if (units > room) {
      groups.push([]);
      room = MULTIPORT_UNITS;
    }
    groups.at(-1)?.push(range);
    room -= units;
  }
  return groups;
}
