import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  compileAuditChains,
  compileMarkChains,
  compileRuleChains,
  compileScopeChain,
  compileStaticChain,
} from "../../../lib/netfilter/compile-shared.ts";
import { auditPrefix } from "../../../lib/netfilter/log-prefix.ts";
import { ACCEPT_CHAIN, PASS_CHAIN } from "../../../lib/netfilter/names.ts";
import { formatRule } from "../../../lib/policy/rule.ts";
import { rules } from "../policy/arbitraries.ts";
import { rule } from "../policy/fixtures.ts";

const accept = rule({ host: "10.0.0.0/8", action: "ACCEPT" });
const drop = rule({ host: "10.1.0.0/16", action: "DROP" });
const reject = rule({ host: "10.2.0.0/16", proto: "udp", action: "REJECT" });

describe("compileRuleChains", () => {
  test("parts denies from accepts and keeps the order of each", () => {
    const { deny, accept: accepted } = compileRuleChains([reject, accept, drop], { family: 4 });
    expect(deny?.rules.map(({ target }) => target.kind)).toEqual(["reject", "drop"]);
    expect(accepted?.rules).toEqual([
      { match: { destination: accept.hosts[0] }, target: { kind: "goto", chain: ACCEPT_CHAIN } },
    ]);
  });

  test("has no chain for a part without rules, in the family that has none", () => {
    expect(compileRuleChains([], { family: 4 })).toEqual({});
    expect(Object.keys(compileRuleChains([accept], { family: 4 }))).toEqual(["accept"]);
    expect(compileRuleChains([accept, drop], { family: 6 })).toEqual({});
  });

  test("names chains after the key where there is one, whatever the rules are", () => {
    const [one, two] = [[drop], [reject]].map((each) => compileRuleChains(each, { family: 4, identity: "global/x" }));
    expect(one?.deny?.name).toBe(two?.deny?.name);
    expect(compileRuleChains([drop], { family: 4, identity: "global/y" }).deny?.name).not.toBe(one?.deny?.name);
  });

  test("names chains after their content otherwise: lists that decide alike share them", () => {
    fc.assert(
      fc.property(fc.array(rules()), fc.array(rules()), fc.string(), (left, right, comment) => {
        const nameOf = (list: typeof left) => compileRuleChains([...list, drop], { family: 4 }).deny?.name;
        const isSame = JSON.stringify(left.map(uncommented)) === JSON.stringify(right.map(uncommented));
        expect(nameOf(left) === nameOf(right)).toBe(isSame);
        expect(nameOf(left.map((each) => ({ ...each, comment })))).toBe(nameOf(left));
      }),
    );
  });

  test.each([
    { ...reject, ports: [{ first: 1, last: 1 }] },
    { ...reject, protocol: "tcp" as const },
    { ...reject, hosts: [] },
    { ...reject, action: "DROP" as const },
  ])("tells lists apart by every part of a rule: %j", (other) => {
    const nameOf = (one: typeof reject) => compileRuleChains([one], { family: 4 }).deny?.name;
    expect(nameOf(other)).not.toBe(nameOf(reject));
    expect(compileStaticChain([other], 4)?.name).not.toBe(compileStaticChain([reject], 4)?.name);
  });
});

describe("compileAuditChains", () => {
  const refuse = rule({ action: "REJECT" });
  const options = { family: 4, key: "global/x" } as const;

  test("sends what each rule matches to a chain that only logs, one netfilter rule also for what is refused", () => {
    const { deny, accept: accepted, logs } = compileAuditChains([drop, refuse, accept], options);
    const [denyLog, acceptLog] = logs;
    expect(deny?.rules).toEqual([
      { match: { destination: drop.hosts[0] }, target: { kind: "goto", chain: denyLog?.name } },
      { match: {}, target: { kind: "goto", chain: denyLog?.name } },
    ]);
    expect(accepted?.rules.slice(-1)).toEqual([
      { match: { destination: accept.hosts[0] }, target: { kind: "goto", chain: acceptLog?.name } },
    ]);
    expect(logs.flatMap(({ rules: each }) => each.map(({ target }) => target))).toEqual([
      ...[1, 2].map(() => ({ kind: "log", prefix: auditPrefix("denied", "global/x"), level: "debug" })),
      ...[1, 2].map(() => ({ kind: "log", prefix: auditPrefix("accepted", "global/x"), level: "debug" })),
    ]);
  });

  test("counts no packet as one to accept that another rule set has accepted, or that its own rules deny", () => {
    const { accept: accepted } = compileAuditChains([accept, drop], options);
    expect(accepted?.rules.slice(0, -1)).toEqual([
      { match: { isMarked: true }, target: { kind: "return" } },
      { match: { destination: drop.hosts[0] }, target: { kind: "return" } },
    ]);
  });

  test("limits every line that it logs", () => {
    const matches = compileAuditChains([drop, accept], options).logs.flatMap(({ rules: each }) =>
      each.map(({ match }) => match),
    );
    expect(matches.map(({ isNew }) => isNew)).toEqual([true, false, true, false]);
    expect(matches.every(({ limitPerSecond = Infinity }) => limitPerSecond <= 10)).toBe(true);
  });

  test("has chains of its own for each key, none of them an enforced rule set's, and none where it has no rules", () => {
    const { deny, accept: accepted, logs } = compileAuditChains([drop, accept], options);
    const other = compileAuditChains([drop, accept], { family: 4, key: "global/y" });
    const enforced = compileRuleChains([drop, accept], { family: 4, identity: "global/x" });
    const names = [deny, accepted, ...logs, other.deny, other.accept, ...other.logs, enforced.deny, enforced.accept];
    expect(new Set(names.map((chain) => chain?.name)).size).toBe(10);
    expect(compileAuditChains([accept], { family: 6, key: "global/x" })).toEqual({ logs: [] });
  });
});

describe("compileStaticChain", () => {
  test("keeps rules in their order whatever they do", () => {
    const kinds = compileStaticChain([accept, drop, reject], 4)?.rules.map(({ target }) => target.kind);
    expect(kinds).toEqual(["goto", "drop", "reject"]);
  });

  test("is none where the family has no rules", () => {
    expect(compileStaticChain([], 4)).toBeUndefined();
    expect(compileStaticChain([accept], 6)).toBeUndefined();
  });

  test("has another name for the same rules in another order", () => {
    expect(compileStaticChain([accept, drop], 4)?.name).not.toBe(compileStaticChain([drop, accept], 4)?.name);
  });
});

test("compileScopeChain jumps to its rule sets in turn, and may be empty", () => {
  const chain = compileScopeChain("deny-scope", { prefix: "global/", chains: [{ name: "A" }, { name: "B" }] });
  expect(chain.rules).toEqual(["A", "B"].map((name) => ({ match: {}, target: { kind: "jump", chain: name } })));
  expect(compileScopeChain("deny-scope", { prefix: "global/", chains: [] })).toEqual({ name: chain.name, rules: [] });
  expect(compileScopeChain("accept-scope", { prefix: "global/", chains: [] }).name).not.toBe(chain.name);
});

test("compileMarkChains has the chain that marks and the one that takes the mark off", () => {
  expect(compileMarkChains()).toEqual([
    { name: ACCEPT_CHAIN, rules: [{ match: {}, target: { kind: "mark" } }] },
    { name: PASS_CHAIN, rules: [{ match: {}, target: { kind: "unmark" } }] },
  ]);
});

function uncommented(one: typeof accept): unknown {
  return { ...formatRule(one), comment: undefined };
}
