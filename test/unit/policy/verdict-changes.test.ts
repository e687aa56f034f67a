import { expect, test } from "vitest";
import { formatCidr } from "../../../lib/policy/address.ts";
import { evaluateFor, type PolicySubject, type Source } from "../../../lib/policy/evaluate.ts";
import { formatPorts } from "../../../lib/policy/ports.ts";
import type { RuleInput } from "../../../lib/policy/rule.ts";
import type { RuleSet } from "../../../lib/policy/rule-set.ts";
import { compareVerdicts, type VerdictChange, type VerdictComparison } from "../../../lib/policy/verdict-changes.ts";
import { isIn, packetsAround } from "../../support/verdict-change.ts";
import { rule, runtimeRulesOf } from "./fixtures.ts";

const KEY = "namespace/default/job/web/x";

interface Given {
  readonly staticRules?: readonly RuleInput[];
  readonly initialRules?: readonly RuleInput[];
  readonly defaultAction?: PolicySubject["policy"]["defaultAction"];
  readonly others?: Readonly<Record<string, Partial<RuleSet>>>;
  readonly key?: string;
  readonly before?: readonly RuleInput[];
  readonly after?: readonly RuleInput[];
  readonly maxSteps?: number;
}

function subjectOf({ staticRules = [], initialRules = [], defaultAction = "DROP" }: Given): PolicySubject {
  return {
    network: "egress",
    containerId: "8623ac7a-28ba-20c3-24a6-e615a39bbbf3",
    identity: { namespace: "default", job: "web", group: "app" },
    policy: { staticRules: staticRules.map(rule), initialRules: initialRules.map(rule), defaultAction },
    jobRules: [],
  };
}

function contextOf({ others = {}, key = KEY }: Given, rules: readonly RuleInput[] | undefined) {
  const own = rules === undefined ? {} : { [key]: { rules: rules.map(rule) } };
  return { runtimeRules: runtimeRulesOf({ ...others, ...own }), nowMs: 0 };
}

function compare(given: Given): VerdictComparison {
  return compareVerdicts(subjectOf(given), {
    before: contextOf(given, given.before),
    after: contextOf(given, given.after),
    ...(given.maxSteps !== undefined && { maxSteps: given.maxSteps }),
  });
}

/** `opens tcp 10.0.0.0/8-10.1.0.0/16 443: drop default > accept x[0]` */
function tell({ kind, protocols, hosts, ports, before, after }: VerdictChange): string {
  const blocks = hosts.map(({ block, except }) => [block, ...except].map(formatCidr).join("-"));
  const what = [kind, protocols.join("/"), ...blocks, formatPorts(ports)].filter((word) => word !== "").join(" ");
  return `${what}: ${before.verdict} ${name(before.source)} > ${after.verdict} ${name(after.source)}`;
}

function name(source: Source): string {
  if (source.kind === "default") return "default";
  return `${source.kind === "runtime" ? source.key.replace(/^.*\//, "") : source.kind}[${source.index}]`;
}

const ANY = "tcp/udp/sctp/icmp/icmpv6/other 0.0.0.0/0 ::/0";

test("an accept opens what the default action denied, less what is denied in it", () => {
  const given: Given = {
    staticRules: [{ host: "10.1.0.0/16", action: "DROP" }],
    others: { "global/freeze": { rules: [rule({ host: "10.2.3.4", proto: "tcp", port: 443, action: "REJECT" })] } },
    after: [{ host: "10.0.0.0/8", proto: "tcp", port: "80,443", action: "ACCEPT" }],
  };
  expect(compare(given).changes.map(tell)).toEqual([
    "opens tcp 10.0.0.0/8-10.1.0.0/16-10.2.3.4/32 80,443: drop default > accept x[0]",
    "opens tcp 10.2.3.4/32 80: drop default > accept x[0]",
  ]);
});

test("a rule for everything is one region, of both families and all protocols", () => {
  expect(compare({ after: [{ action: "ACCEPT" }] }).changes.map(tell)).toEqual([
    `opens ${ANY}: drop default > accept x[0]`,
  ]);
  expect(compare({ before: [{ action: "ACCEPT" }], defaultAction: "REJECT" }).changes.map(tell)).toEqual([
    `closes ${ANY}: accept x[0] > reject default`,
  ]);
});

test("icmp and icmpv6 are each of one family", () => {
  expect(compare({ after: [{ proto: "icmp", action: "ACCEPT" }] }).changes.map(tell)).toEqual([
    "opens icmp 0.0.0.0/0: drop default > accept x[0]",
  ]);
  const both: readonly RuleInput[] = [
    { proto: "icmpv6", action: "ACCEPT" },
    { proto: "icmp", action: "ACCEPT" },
  ];
  expect(compare({ after: both }).changes.map(tell)).toEqual([
    "opens icmpv6 ::/0: drop default > accept x[0]",
    "opens icmp 0.0.0.0/0: drop default > accept x[1]",
  ]);
});

test("blocks that fill another one leave nothing to say of it", () => {
  const given: Given = {
    before: [{ host: "10.0.0.0/31", action: "ACCEPT" }],
    after: [{ host: ["10.0.0.0", "10.0.0.1"], action: "REJECT" }],
  };
  expect(compare(given).changes.map(tell)).toEqual([
    "closes tcp/udp/sctp/icmp/other 10.0.0.0/32 10.0.0.1/32: accept x[0] > reject x[0]",
  ]);
});

test("a rule has no effect in a block that others fill", () => {
  const filling: RuleInput = { host: ["10.0.0.0", "10.0.0.1"], action: "REJECT" };
  const { changes, idle } = compare({ before: [filling, { host: "10.0.0.0/31", action: "ACCEPT" }], after: [filling] });
  expect(changes).toEqual([]);
  expect(idle).toMatchObject([{ side: "before", because: [{ verdict: "reject" }] }]);
});

test("another answer to what is denied is told apart from what is let through", () => {
  const given: Given = { before: [{ proto: "udp", action: "DROP" }], after: [{ proto: "udp", action: "REJECT" }] };
  expect(compare(given).changes.map(tell)).toEqual(["rejects udp 0.0.0.0/0 ::/0: drop x[0] > reject x[0]"]);
});

test("rules that come in another order change no verdict, unless one drops and one rejects the same", () => {
  const [drop, reject, accept]: readonly RuleInput[] = [
    { host: "10.0.0.0/8", action: "DROP" },
    { host: "10.1.0.0/16", action: "REJECT" },
    { host: "10.9.0.0/16", action: "ACCEPT" },
  ];
  if (!drop || !reject || !accept) throw new Error("three rules");
  expect(compare({ before: [drop, accept], after: [accept, drop] })).toMatchObject({ changes: [], idle: [], steps: 0 });
  expect(compare({ before: [reject, drop], after: [drop, reject] }).changes.map(tell)).toEqual([
    "drops tcp/udp/sctp/icmp/other 10.1.0.0/16: reject x[0] > drop x[0]",
  ]);
});

test("the first rule set of a network takes the conflist's runtime rules out of force", () => {
  const given: Given = {
    key: "network/egress/x",
    initialRules: [{ host: "10.0.0.0/8", action: "ACCEPT" }],
    after: [{ host: "10.1.0.0/16", action: "ACCEPT" }],
  };
  expect(compare(given).changes.map(tell)).toEqual([
    "closes tcp/udp/sctp/icmp/other 10.0.0.0/8-10.1.0.0/16: accept initial[0] > drop default",
  ]);
});

test.each([
  ["a static DROP before it", { staticRules: [{ host: "10.0.0.0/8", action: "DROP" }] }, "static[0]", "drop"],
  ["a static ACCEPT before it", { staticRules: [{ host: "10.0.0.0/8", action: "ACCEPT" }] }, "static[0]", "accept"],
  ["a deny in KV", { others: { "global/no": { rules: [rule({ action: "REJECT" })] } } }, "no[0]", "reject"],
  ["a default that lets it through anyway", { defaultAction: "ACCEPT" }, "default", "accept"],
] as const)("an accept that changes nothing says why: %s", (_, given, from, verdict) => {
  const { changes, idle } = compare({ ...given, after: [{ host: "10.1.0.0/16", action: "ACCEPT" }] });
  expect(changes).toEqual([]);
  expect(idle.map(({ side, because }) => [side, because.map((each) => [name(each.source), each.verdict])])).toEqual([
    ["after", [[from, verdict]]],
  ]);
});

test("a rule whose removal changes nothing says what does the same", () => {
  const { idle } = compare({ before: [{ host: "10.1.0.0/16", action: "DROP" }] });
  expect(idle).toMatchObject([
    { side: "before", decision: { verdict: "drop" }, because: [{ source: { kind: "default" } }] },
  ]);
});

test("of two changed rules the one that changes something is not idle", () => {
  const rules: readonly RuleInput[] = [
    { host: "10.1.0.0/16", proto: "tcp", action: "ACCEPT" },
    { host: "10.1.2.0/24", proto: "tcp", action: "ACCEPT" },
  ];
  const { idle } = compare({ after: rules });
  expect(
    idle.map(({ decision, because }) => [name(decision.source), because.map(({ source }) => name(source))]),
  ).toEqual([["x[1]", ["x[0]"]]]);
});

const manyHosts = Array.from({ length: 10_000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);
const many = manyHosts.map((host): RuleInput => ({ host, proto: "tcp", port: "80,443,8000-8100", action: "ACCEPT" }));

test("a small change among 10,000 rules is exact, and costs what it touches", () => {
  const changed = many.with(5000, { host: "10.19.136.0/25", proto: "tcp", port: "80,8000-8050", action: "ACCEPT" });
  const { changes, steps, isComplete } = compare({ before: many, after: changed });
  expect(changes.map(tell)).toEqual([
    "closes tcp 10.19.136.0/24-10.19.136.0/25 80,443,8000-8100: accept x[5000] > drop default",
    "closes tcp 10.19.136.0/25 443,8051-8100: accept x[5000] > drop default",
  ]);
  expect(isComplete).toBe(true);
  expect(steps).toBeLessThan(100);
});

test("one address less in a list of 10,000 touches that address alone", () => {
  const listed = (hosts: readonly string[]): readonly RuleInput[] => [
    { host: [...hosts], proto: "udp", action: "ACCEPT" },
  ];
  const { changes, steps } = compare({ before: listed(manyHosts), after: listed(manyHosts.toSpliced(77, 1)) });
  expect(changes.map(tell)).toEqual(["closes udp 10.0.77.0/24: accept x[0] > drop default"]);
  expect(steps).toBeLessThan(100);
});

test("a deny of everything over 10,000 accepts is compared with each of them", () => {
  const given: Given = { before: many, after: [...many, { action: "REJECT" }], defaultAction: "ACCEPT" };
  const { changes, isComplete } = compare(given);
  expect(isComplete).toBe(true);
  expect(changes).toHaveLength(10_004);
  const packets = packetsAround([...many.slice(0, 3), ...many.slice(-3)].map(rule));
  for (let choice = 0; choice < 20; choice += 1) {
    const packet = packets.at(choice * 7919);
    const now = evaluateFor(subjectOf(given), packet, contextOf(given, given.after));
    expect(changes.filter((change) => isIn(change, packet)).map(({ after }) => after)).toEqual([now]);
  }
});

test("what is too much to compare is given up, and how much is said", () => {
  const { changes, idle, isComplete, notCompared } = compare({ after: many, maxSteps: 10_000 });
  expect(isComplete).toBe(false);
  expect(notCompared).toBeGreaterThan(1000);
  expect(changes.length + notCompared).toBe(10_000);
  expect(idle).toEqual([]);
});
