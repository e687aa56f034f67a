import * as fc from "fast-check";
import { parseCidr, type Cidr } from "../../lib/policy/address.ts";
import type { StaticPolicy } from "../../lib/policy/attachment.ts";
import type { Packet } from "../../lib/policy/evaluate.ts";
import { parsePorts, type PortRange } from "../../lib/policy/ports.ts";
import type { RuleSet } from "../../lib/policy/rule-set.ts";
import type { Action, Protocol, Rule } from "../../lib/policy/rule.ts";
import type { RuntimeRules } from "../../lib/policy/runtime-rules.ts";
import { formatKey, type Scope } from "../../lib/policy/scope.ts";

/** All that decides packets in one case, the attachment's own identity left out. */
export interface PolicyCase {
  readonly policy: Pick<StaticPolicy, "defaultAction" | "staticRules" | "initialRules" | "hostTraffic" | "logDenied">;
  readonly jobRules: readonly Rule[];
  readonly runtimeRules: RuntimeRules;
}

/** A small world, so that rules and packets meet often. Destinations exist on a node of the test harness. */
export const world = {
  node: "n1",
  network: "egress",
  nowMs: Date.parse("2026-11-24T12:00:00Z"),
  identity: { region: "global", namespace: "default", job: "web/dispatch-1700-ab", group: "app" },
  destinations: {
    4: ["192.0.2.10", "192.0.2.11", "192.0.2.12", "198.51.100.7"],
    6: ["2001:db8:ffff::10", "2001:db8:ffff::11", "2001:db8:ffff::12", "2001:db8:eeee::7"],
  },
  firstPort: 8000,
  lastPort: 8047,
} as const;

/** Blocks whose edges lie between the destinations. */
const blocks4 = (
  "192.0.2.10/32 192.0.2.11/32 192.0.2.12/32 198.51.100.7/32 192.0.2.9/32 198.51.100.6/32 192.0.2.10/31 192.0.2.8/30 " +
  "192.0.2.12/30 192.0.2.8/29 192.0.2.0/24 198.51.100.0/24 198.51.100.0/29 192.0.0.0/8 128.0.0.0/1 0.0.0.0/1 0.0.0.0/0"
).split(" ");
const blocks6 = (
  "2001:db8:ffff::10/128 2001:db8:ffff::11/128 2001:db8:ffff::12/128 2001:db8:eeee::7/128 2001:db8:ffff::f/128 " +
  "2001:db8:eeee::6/128 2001:db8:ffff::10/127 2001:db8:ffff::10/126 2001:db8:ffff::12/127 2001:db8:ffff::/124 " +
  "2001:db8:ffff::/64 2001:db8:eeee::/64 2001:db8:c000::/34 2001:db8::/32 ::/1 ::/0"
).split(" ");

/** The scopes that the attachment is in, and near misses of each. */
function scopesFor(containerId: string): readonly Scope[] {
  const { node, network, identity } = world;
  const { namespace, job, group } = identity;
  return [
    { kind: "global" },
    { kind: "node", node },
    { kind: "network", network },
    { kind: "namespace", namespace },
    { kind: "job", namespace, job },
    { kind: "job", namespace, job: "web" },
    { kind: "group", namespace, job, group },
    { kind: "group", namespace, job: "web", group },
    { kind: "alloc", namespace, alloc: containerId },
    { kind: "node", node: "n2" },
    { kind: "network", network: "other" },
    { kind: "namespace", namespace: "other" },
    { kind: "job", namespace, job: "web/dispatch" },
    { kind: "job", namespace: "other", job: "web" },
    { kind: "group", namespace, job: "web", group: "db" },
    { kind: "alloc", namespace, alloc: "another" },
    { kind: "alloc", namespace: "other", alloc: containerId },
  ];
}

export function policyCases(containerId: string): fc.Arbitrary<PolicyCase> {
  return fc.record({
    policy: fc.record({
      defaultAction: actions(),
      staticRules: fc.array(worldRules(), { maxLength: 4 }),
      initialRules: fc.array(worldRules(), { maxLength: 2 }),
      hostTraffic: fc.constantFrom("filter" as const, "allow" as const),
      logDenied: fc.boolean(),
    }),
    jobRules: fc.array(worldRules(), { maxLength: 2 }),
    runtimeRules: worldRuntimeRules(containerId),
  });
}

export function worldRuntimeRules(containerId: string): fc.Arbitrary<RuntimeRules> {
  const entries = fc.record({
    scope: fc.constantFrom(...scopesFor(containerId)),
    name: fc.constantFrom("a", "b"),
    modifyIndex: fc.integer({ min: 1, max: 1000 }),
    ruleSet: ruleSets(),
  });
  return fc
    .uniqueArray(entries, { maxLength: 6, selector: ({ scope, name }) => formatKey(scope, name) })
    .map((sets) => ({
      node: world.node,
      ruleSets: sets
        .map((set) => ({ key: formatKey(set.scope, set.name), ...set }))
        .toSorted((left, right) => (left.key < right.key ? -1 : 1)),
    }));
}

/** Packets of every kind to every destination, with ports at both sides of every edge that the rules have. */
export function packetsAtEdges({ policy, jobRules, runtimeRules }: PolicyCase): readonly Packet[] {
  const rules = [
    ...policy.staticRules,
    ...policy.initialRules,
    ...jobRules,
    ...runtimeRules.ruleSets.flatMap(({ ruleSet }) => ruleSet.rules),
  ];
  const edges = rules.flatMap(({ ports }) => ports.flatMap(({ first, last }) => [first - 1, first, last, last + 1]));
  const ports = [...new Set([world.firstPort, ...edges])]
    .filter((port) => port >= world.firstPort && port <= world.lastPort)
    .toSorted((left, right) => left - right);
  return ([4, 6] as const).flatMap((family) =>
    world.destinations[family].flatMap((destination): readonly Packet[] => [
      { family, destination, protocol: family === 4 ? "icmp" : "icmpv6" },
      ...(["tcp", "udp", "sctp"] as const).flatMap((protocol) =>
        ports.map((port) => ({ family, destination, protocol, port })),
      ),
    ]),
  );
}

function worldRules(): fc.Arbitrary<Rule> {
  const protocols = fc.constantFrom<Protocol>("tcp", "tcp", "udp", "udp", "sctp", "icmp", "icmpv6", "all");
  return protocols.chain((protocol) => {
    const hasPorts = protocol === "tcp" || protocol === "udp" || protocol === "sctp";
    return fc.record({
      hosts: fc.array(blocks(protocol), { maxLength: 3 }),
      protocol: fc.constant(protocol),
      ports: hasPorts ? fc.oneof(fc.constant([]), fewPorts(), manyPorts()) : fc.constant([]),
      action: actions(),
    });
  });
}

function ruleSets(): fc.Arbitrary<RuleSet> {
  const past = { expiresAt: world.nowMs };
  const future = { expiresAt: world.nowMs + 1 };
  return fc
    .record({
      rules: fc.array(worldRules(), { maxLength: 3 }),
      mode: fc.constantFrom("enforce" as const, "enforce" as const, "enforce" as const, "audit" as const),
      expiry: fc.constantFrom({}, {}, {}, future, past),
    })
    .map(({ rules, mode, expiry }) => ({ rules, mode, ...expiry }));
}

function actions(): fc.Arbitrary<Action> {
  return fc.constantFrom<Action>("ACCEPT", "DROP", "REJECT");
}

function blocks(protocol: Protocol): fc.Arbitrary<Cidr> {
  const texts = protocol === "icmp" ? blocks4 : protocol === "icmpv6" ? blocks6 : [...blocks4, ...blocks6];
  return fc.constantFrom(...texts).map(parseCidr);
}

function fewPorts(): fc.Arbitrary<readonly PortRange[]> {
  const { firstPort: min, lastPort: max } = world;
  return fc
    .array(fc.tuple(fc.integer({ min, max }), fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 3 })
    .map((ranges) => parsePorts(ranges.map(([first, more]) => `${first}-${Math.min(first + more, max)}`).join(",")));
}

/** Too many for one netfilter rule: singles and pairs with one port between each two. */
function manyPorts(): fc.Arbitrary<readonly PortRange[]> {
  const { firstPort, lastPort } = world;
  return fc.array(fc.boolean(), { minLength: 14, maxLength: 20 }).map((isPair) => {
    const ranges: string[] = [];
    let next: number = firstPort;
    for (const pair of isPair) {
      if (next + 1 >= lastPort) break;
      ranges.push(pair ? `${next}-${next + 1}` : `${next}`);
      next += pair ? 3 : 2;
    }
    return parsePorts(ranges.join(","));
  });
}
