import * as fc from "fast-check";
import { expect, test } from "vitest";
import { evaluateFor, type PolicySubject } from "../../../lib/policy/evaluate.ts";
import type { Rule } from "../../../lib/policy/rule.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";
import { compareVerdicts } from "../../../lib/policy/verdict-changes.ts";
import { policyCases, world, worldRuntimeRules, type PolicyCase } from "../../support/policy-cases.ts";
import { isIn, packetsAround } from "../../support/verdict-change.ts";
import { rules, ruleSets } from "./arbitraries.ts";

const containerId = "8623ac7a-28ba-20c3-24a6-e615a39bbbf3";
const { nowMs, network, identity } = world;

/** Packets looked at in each case. */
const choices = fc.array(fc.nat(), { minLength: 60, maxLength: 60 });

interface Case {
  readonly subject: PolicySubject;
  readonly before: RuntimeRules;
  readonly after: RuntimeRules;
}

/** What people do to a rule set, and what they do to many at once. */
type Change = (rules: RuntimeRules, other: RuntimeRules, at: number) => RuntimeRules;

const withSets = (rules: RuntimeRules, ruleSets: readonly RuntimeRuleSet[]): RuntimeRules => ({
  ...rules,
  ruleSets: ruleSets.toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key))),
});
const edit =
  (change: (set: RuntimeRuleSet) => readonly RuntimeRuleSet[]): Change =>
  (rules, _, at) =>
    withSets(
      rules,
      rules.ruleSets.flatMap((set, index) => (index === at % rules.ruleSets.length ? change(set) : [set])),
    );
const editRules = (change: (rules: readonly Rule[]) => readonly Rule[]): Change =>
  edit((set) => [{ ...set, ruleSet: { ...set.ruleSet, rules: change(set.ruleSet.rules) } }]);

const CHANGES: readonly Change[] = [
  edit(() => []),
  edit((set) => [{ ...set, ruleSet: { ...set.ruleSet, mode: set.ruleSet.mode === "audit" ? "enforce" : "audit" } }]),
  edit((set) => [{ ...set, ruleSet: { ...set.ruleSet, expiresAt: nowMs + 1 } }]),
  editRules((all) => all.slice(1)),
  editRules((all) => all.toReversed()),
  editRules((all) => [...all, ...all.map((each) => ({ ...each, action: "ACCEPT" as const }))]),
  editRules((all) => all.map((each) => ({ ...each, hosts: each.hosts.slice(1) }))),
  editRules((all) => all.map((each) => ({ ...each, ports: each.ports.slice(1) }))),
  (rules, other) => {
    const added = other.ruleSets.filter(({ key }) => rules.ruleSets.every((set) => set.key !== key));
    return withSets(rules, [...rules.ruleSets, ...added.slice(0, 1)]);
  },
  (_, other) => other,
  (rules) => {
    const reverse = ({ ruleSet, ...set }: RuntimeRuleSet) => ({
      ...set,
      ruleSet: { ...ruleSet, rules: ruleSet.rules.toReversed() },
    });
    return withSets(rules, rules.ruleSets.map(reverse));
  },
];

function cases(): fc.Arbitrary<Case> {
  return fc
    .record({
      one: policyCases(containerId),
      other: worldRuntimeRules(containerId),
      change: fc.constantFrom(...CHANGES),
      at: fc.nat(5),
    })
    .map(({ one, other, change, at }) => ({
      subject: subjectOf(one),
      before: one.runtimeRules,
      after: change(one.runtimeRules, other, at),
    }));
}

/** Any addresses and ports at all, of a subject in one scope. */
function wideCases(): fc.Arbitrary<Case> {
  const lists = fc.array(rules(), { maxLength: 4 });
  return fc
    .record({
      staticRules: lists,
      initialRules: lists,
      jobRules: lists,
      sets: fc.tuple(ruleSets(), ruleSets(), ruleSets()),
    })
    .map(({ staticRules, initialRules, jobRules, sets: [one, two, three] }) => {
      const set = (name: string, ruleSet: RuntimeRuleSet["ruleSet"]): RuntimeRuleSet => ({
        key: `network/egress/${name}`,
        scope: { kind: "network", network },
        name,
        modifyIndex: 1,
        ruleSet,
      });
      return {
        subject: {
          network,
          containerId,
          identity,
          jobRules,
          policy: { staticRules, initialRules, defaultAction: "REJECT" },
        },
        before: { node: world.node, ruleSets: [set("a", one), set("b", two)] },
        after: { node: world.node, ruleSets: [set("a", one), set("b", three)] },
      };
    });
}

function subjectOf({ policy, jobRules }: PolicyCase): PolicySubject {
  return { network, containerId, identity, policy, jobRules };
}

function rulesOf({ subject, before, after }: Case): readonly Rule[] {
  const { staticRules, initialRules } = subject.policy;
  const sets = [...before.ruleSets, ...after.ruleSets];
  return [...staticRules, ...initialRules, ...subject.jobRules, ...sets.flatMap(({ ruleSet }) => ruleSet.rules)];
}

test.each([
  ["in a small world", cases(), 600],
  ["with any addresses and ports", wideCases(), 600],
] as const)("a verdict changes exactly where a region says so, and by what it says, %s", (_, someCases, numRuns) => {
  let changed = 0;
  fc.assert(
    fc.property(someCases, choices, (one, choice) => {
      const { subject } = one;
      const [before, after] = [
        { runtimeRules: one.before, nowMs },
        { runtimeRules: one.after, nowMs },
      ];
      const { changes, isComplete } = compareVerdicts(subject, { before, after });
      expect(isComplete).toBe(true);
      const packets = packetsAround(rulesOf(one));
      for (const packet of choice.map(packets.at)) {
        const [was, now] = [evaluateFor(subject, packet, before), evaluateFor(subject, packet, after)];
        const said = changes.filter((change) => isIn(change, packet)).map(({ before, after }) => ({ before, after }));
        expect({ packet, said }).toEqual({
          packet,
          said: was.verdict === now.verdict ? [] : [{ before: was, after: now }],
        });
        if (was.verdict !== now.verdict) changed += 1;
      }
    }),
    { numRuns },
  );
  expect(changed).toBeGreaterThan(500);
});
