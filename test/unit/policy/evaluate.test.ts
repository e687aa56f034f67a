import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { evaluate, evaluateFor } from "../../../lib/policy/evaluate.ts";
import type { Packet, Policy } from "../../../lib/policy/evaluate.ts";
import type { RuleInput } from "../../../lib/policy/rule.ts";
import { actions, rules } from "./arbitraries.ts";
import { rule, runtimeRuleSet, runtimeRulesOf } from "./fixtures.ts";

const https: Packet = { family: 4, destination: "10.1.2.3", protocol: "tcp", port: 443 };
const db = rule({ host: "10.0.0.0/8", proto: "tcp", port: 443, action: "ACCEPT" });
const noDb = rule({ host: "10.0.0.0/8", action: "DROP" });
const rejectDb = rule({ host: "10.1.0.0/16", action: "REJECT" });
const acceptAll = rule({ action: "ACCEPT" });

function policy(parts: Partial<Policy>): Policy {
  return {
    staticRules: [],
    defaultAction: "DROP",
    jobRules: [],
    initialRules: [],
    networkHasRuleSet: false,
    runtimeRuleSets: [],
    ...parts,
  };
}

describe("evaluate", () => {
  test.each([
    ["DROP", "drop"],
    ["REJECT", "reject"],
    ["ACCEPT", "accept"],
  ] as const)("falls to the default action %s where no rule matches", (defaultAction, verdict) => {
    expect(evaluate(policy({ defaultAction }), https)).toEqual({ verdict, source: { kind: "default" } });
  });

  test("takes the first static rule that matches", () => {
    expect(evaluate(policy({ staticRules: [rejectDb, db, noDb] }), https)).toEqual({
      verdict: "reject",
      source: { kind: "static", index: 0 },
      rule: rejectDb,
    });
    expect(evaluate(policy({ staticRules: [rule({ host: "::/0", action: "DROP" }), db, noDb] }), https)).toEqual({
      verdict: "accept",
      source: { kind: "static", index: 1 },
      rule: db,
    });
  });

  test("lets a runtime deny tighten a static accept, from any scope", () => {
    for (const key of ["global/x", "node/n1/x", "network/mesh/x", "namespace/d/x", "namespace/d/alloc/a/x"]) {
      const runtimeRuleSets = [runtimeRuleSet(key, { rules: [acceptAll, noDb] })];
      expect(evaluate(policy({ staticRules: [db], runtimeRuleSets }), https)).toEqual({
        verdict: "drop",
        source: { kind: "runtime", key, index: 1 },
        rule: noDb,
      });
    }
  });

  test("lets a runtime accept fill what static rules left to the default, and no more", () => {
    const runtimeRuleSets = [runtimeRuleSet("global/x", { rules: [db] })];
    expect(evaluate(policy({ runtimeRuleSets }), https)).toEqual({
      verdict: "accept",
      source: { kind: "runtime", key: "global/x", index: 0 },
      rule: db,
    });
    expect(evaluate(policy({ staticRules: [noDb], runtimeRuleSets }), https).source).toEqual({
      kind: "static",
      index: 0,
    });
  });

  test("lets no accept of one rule set override the deny of another, whatever their keys", () => {
    const [accepting, denying] = [{ rules: [db] }, { rules: [noDb] }];
    for (const [a, b] of [
      [accepting, denying],
      [denying, accepting],
    ]) {
      const runtimeRuleSets = [runtimeRuleSet("global/a", a), runtimeRuleSet("global/b", b)];
      expect(evaluate(policy({ runtimeRuleSets }), https).verdict).toBe("drop");
    }
  });

  test("asks job rules, then initial rules, then rule sets in the order given", () => {
    const runtimeRuleSets = [
      runtimeRuleSet("node/n1/b", { rules: [rejectDb] }),
      runtimeRuleSet("namespace/default/a", { rules: [noDb] }),
    ];
    const all = policy({ jobRules: [rejectDb], initialRules: [noDb], runtimeRuleSets });
    expect(evaluate(all, https).source).toEqual({ kind: "job", index: 0 });
    expect(evaluate({ ...all, jobRules: [] }, https).source).toEqual({ kind: "initial", index: 0 });
    expect(evaluate({ ...all, jobRules: [], initialRules: [] }, https)).toMatchObject({
      verdict: "reject",
      source: { kind: "runtime", key: "node/n1/b" },
    });
  });

  test("drops initial rules once the network has a rule set, job rules never", () => {
    const parts = { initialRules: [db], networkHasRuleSet: true };
    expect(evaluate(policy(parts), https).verdict).toBe("drop");
    expect(evaluate(policy({ ...parts, networkHasRuleSet: false }), https).source).toEqual({
      kind: "initial",
      index: 0,
    });
    expect(evaluate(policy({ ...parts, jobRules: [db] }), https).source).toEqual({ kind: "job", index: 0 });
  });

  test.each<[RuleInput, Partial<Packet>, boolean]>([
    [{ action: "ACCEPT" }, { family: 6, destination: "2001:db8::1" }, true],
    [{ action: "ACCEPT" }, { protocol: "gre" }, true],
    [{ action: "ACCEPT", proto: "tcp" }, { protocol: "udp" }, false],
    [{ action: "ACCEPT", proto: "tcp" }, { protocol: 6 }, true],
    [{ action: "ACCEPT", proto: "sctp" }, { protocol: 132 }, true],
    [{ action: "ACCEPT", proto: "udp" }, { protocol: "UDP" }, true],
    [{ action: "ACCEPT", proto: "icmp" }, { protocol: "icmp" }, true],
    [{ action: "ACCEPT", proto: "icmp" }, { protocol: "icmp", family: 6, destination: "::1" }, false],
    [{ action: "ACCEPT", proto: "icmpv6" }, { protocol: 58, family: 6, destination: "::1" }, true],
    [{ action: "ACCEPT", proto: "icmpv6" }, { protocol: "ipv6-icmp", family: 6, destination: "::1" }, true],
    [{ action: "ACCEPT", proto: "icmpv6" }, { protocol: "icmpv6" }, false],
    [{ action: "ACCEPT", proto: "tcp", port: "1-442,444" }, {}, false],
    [{ action: "ACCEPT", proto: "tcp", port: "440-450" }, {}, true],
    [{ action: "ACCEPT", host: "0.0.0.0/0" }, { family: 6, destination: "::1" }, false],
    [{ action: "ACCEPT", host: "::/0" }, {}, false],
    [{ action: "ACCEPT", host: ["::/0", "10.1.2.3"] }, {}, true],
    [{ action: "ACCEPT", host: ["10.1.2.2", "10.1.2.4"] }, {}, false],
  ])("%j matches a packet %j: %s", (input, packet, matches) => {
    expect(evaluate(policy({ staticRules: [rule(input)] }), { ...https, ...packet }).verdict === "accept").toBe(
      matches,
    );
  });

  test("matches no rule with ports for a packet without one", () => {
    const { port: _port, ...portless } = https;
    expect(evaluate(policy({ staticRules: [db] }), portless).source).toEqual({ kind: "default" });
  });

  test("refuses a destination that is no address of the packet's family", () => {
    expect(() => evaluate(policy({}), { ...https, family: 6 })).toThrow(
      "Cannot evaluate packet: 10.1.2.3 is IPv4, expected IPv6",
    );
    expect(() => evaluate(policy({}), { ...https, destination: "10.0.0.0/8" })).toThrow("expected one address");
  });

  const packets = fc.oneof(
    fc.ipV4().map((destination): Packet => ({ ...https, destination })),
    fc.constant(https),
    fc.constant<Packet>({ family: 6, destination: "2001:db8::1", protocol: "udp", port: 53 }),
  );
  const policies = fc
    .record({
      staticRules: fc.array(rules()),
      jobRules: fc.array(rules()),
      runtime: fc.array(rules()),
      defaultAction: actions(),
    })
    .map(({ runtime, ...parts }) =>
      policy({ ...parts, runtimeRuleSets: [runtimeRuleSet("global/m", { rules: runtime })] }),
    );

  test("is never more permissive for a deny that is added", () => {
    fc.assert(
      fc.property(policies, packets, rules(), (before, packet, added) => {
        const denying = runtimeRuleSet("global/z", { rules: [{ ...added, action: "DROP" }] });
        const after = { ...before, runtimeRuleSets: [...before.runtimeRuleSets, denying] };
        const verdicts = [evaluate(before, packet).verdict, evaluate(after, packet).verdict].join(" then ");
        expect(verdicts).not.toMatch(/(?:drop|reject) then accept/);
      }),
    );
  });

  test("changes nothing but the default for an accept that is added", () => {
    fc.assert(
      fc.property(policies, packets, (before, packet) => {
        const accepting = runtimeRuleSet("global/z", { rules: [acceptAll] });
        const decided = evaluate(before, packet);
        const after = evaluate({ ...before, runtimeRuleSets: [...before.runtimeRuleSets, accepting] }, packet);
        const filled = { verdict: "accept", source: { kind: "runtime", key: "global/z", index: 0 }, rule: acceptAll };
        expect(after).toEqual(decided.source.kind === "default" ? filled : decided);
      }),
    );
  });
});

describe("evaluateFor", () => {
  const attachment: Attachment = {
    network: "mesh",
    containerId: "a1",
    ifname: "eth0",
    chain: "CNI-OUT-0123456789abcdef0123",
    addresses: ["172.26.64.2"],
    netns: "/var/run/netns/a1",
    identity: { namespace: "default", job: "web" },
    policy: {
      mainChain: "CNI-OUTBOUND",
      defaultAction: "DROP",
      staticRules: [],
      initialRules: [db],
      hostTraffic: "filter",
      logDenied: false,
    },
    jobRules: [],
    addedAt: "2026-11-24T06:19:00Z",
    sequence: 1,
  };

  function sourceFor(ruleSets: Parameters<typeof runtimeRulesOf>[0], nowMs = 0) {
    return evaluateFor(attachment, https, { runtimeRules: runtimeRulesOf(ruleSets), nowMs }).source;
  }

  test("uses the rule sets of the attachment's scopes alone", () => {
    expect(sourceFor({ "namespace/other/x": { rules: [noDb] } })).toEqual({ kind: "initial", index: 0 });
    expect(sourceFor({ "namespace/default/job/web/x": { rules: [noDb] } })).toMatchObject({ kind: "runtime" });
  });

  test("lets initial rules step back for the network's own rule set while it is in force and enforced", () => {
    expect(sourceFor({ "network/mesh/x": {} })).toEqual({ kind: "default" });
    expect(sourceFor({ "network/mesh/x": { mode: "audit" } })).toEqual({ kind: "initial", index: 0 });
    expect(sourceFor({ "network/other/x": {} })).toEqual({ kind: "initial", index: 0 });
    expect(sourceFor({ "global/x": {} })).toEqual({ kind: "initial", index: 0 });
    expect(sourceFor({ "network/mesh/x": { expiresAt: 1000 } }, 999)).toEqual({ kind: "default" });
    expect(sourceFor({ "network/mesh/x": { expiresAt: 1000 } }, 1000)).toEqual({ kind: "initial", index: 0 });
  });

  test("lets audited and expired sets decide nothing", () => {
    expect(sourceFor({ "global/x": { rules: [noDb], mode: "audit" } })).toEqual({ kind: "initial", index: 0 });
    expect(sourceFor({ "global/x": { rules: [noDb], expiresAt: 1000 } }, 1000)).toEqual({ kind: "initial", index: 0 });
  });
});
