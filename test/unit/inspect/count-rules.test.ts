import { describe, expect, test } from "vitest";
import { viewAttachment } from "../../../lib/inspect/attachment-view.ts";
import type { KernelTables } from "../../../lib/inspect/kernel.ts";
import { sharedChainName } from "../../../lib/netfilter/names.ts";
import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";
import { attachmentWith, tableOf } from "./fixtures.ts";

const web = rule({ host: ["10.0.0.1", "10.0.0.2", "2001:db8::1"], proto: "tcp", port: 443, action: "ACCEPT" });
const none = { node: "n1", ruleSets: [] };

interface Given {
  readonly runtimeRules?: RuntimeRules;
  readonly count: (chain: string, text: string) => number;
}

function countersOf(attachment: Attachment, { runtimeRules = none, count }: Given) {
  const context = { runtimeRules, nowMs: 0 };
  const kernel: KernelTables = {
    4: tableOf([attachment], { family: 4, ...context, count }),
    6: tableOf([attachment], { family: 6, ...context, count }),
  };
  const { rules, defaultAction } = viewAttachment(attachment, { context, kernel });
  return { rules: rules.map(({ from, counters }) => [from, counters?.packets, counters?.bytes]), defaultAction };
}

describe("counters", () => {
  test("are summed over all netfilter rules of a rule, in both families", () => {
    const attachment = attachmentWith({ policy: { staticRules: [web] } });
    const packets: Record<string, number> = { "10.0.0.1/32": 1, "10.0.0.2/32": 10, "2001:db8::1/128": 100 };
    const count = (_: string, text: string): number => packets[/-d (\S+)/.exec(text)?.[1] ?? ""] ?? 0;
    expect(countersOf(attachment, { count }).rules).toEqual([["conflist outboundRules[0]", 111, 11_100]]);
  });

  test("belong to the list that a rule stands in, however many lists say the same", () => {
    const attachment = attachmentWith({ jobRules: [web], policy: { staticRules: [web] } });
    const runtimeRules = runtimeRulesOf({ "global/a": { rules: [web] }, "global/b": { rules: [web] } });
    const chains: string[] = [];
    const count = (chain: string, text: string): number => {
      if (!text.includes("10.0.0.1/32")) return 0;
      if (!chains.includes(chain)) chains.push(chain);
      return chains.indexOf(chain) + 1;
    };
    const counted = countersOf(attachment, { runtimeRules, count }).rules.map(([, packets]) => packets);
    expect(chains).toHaveLength(4);
    expect(new Set(counted)).toEqual(new Set([1, 2, 3, 4]));
  });

  test("of equal rules in one list are told apart by their order", () => {
    const attachment = attachmentWith({ policy: { staticRules: [web, web] } });
    let seen = 0;
    const count = (_: string, text: string): number => (text.includes("10.0.0.1/32") ? ++seen : 0);
    const [first = [], second = []] = countersOf(attachment, { count }).rules;
    expect(first[1]).toBeLessThan(Number(second[1]));
  });

  test.each([
    ["DROP", 1],
    ["REJECT", 2],
    ["ACCEPT", 1],
  ] as const)("of the default action %s are those of the last rules of its own chain", (defaultAction, rules) => {
    const attachment = attachmentWith({ jobRules: [web], policy: { defaultAction, logDenied: true } });
    const context = { runtimeRules: none, nowMs: 0 };
    const all = { action: defaultAction, counters: { packets: 7 * 2 * rules, bytes: 700 * 2 * rules } };
    const texts = tableOf([attachment], { family: 4, ...context }).get(attachment.chain) ?? [];
    const last = texts.slice(-rules).map(({ text }) => text);
    const count = (chain: string, text: string): number => (chain === attachment.chain && last.includes(text) ? 7 : 0);
    expect(countersOf(attachment, { count }).defaultAction).toEqual(all);
  });

  test("of an audited rule set are those of its own chains, one a packet also where it would refuse", () => {
    const attachment = attachmentWith();
    const rules = [rule({ action: "REJECT" }), web];
    const runtimeRules = runtimeRulesOf({ "global/a": { rules, mode: "audit" }, "global/b": { rules } });
    const count = (chain: string): number =>
      ({ [sharedChainName("deny-audit", "global/a")]: 5, [sharedChainName("accept-audit", "global/a")]: 7 })[chain] ??
      0;
    const context = { runtimeRules, nowMs: 0 };
    const kernel: KernelTables = { 4: tableOf([attachment], { family: 4, ...context, count }), 6: "unreadable" };
    const [view] = viewAttachment(attachment, { context, kernel }).audited;
    expect(view?.rules.map(({ phase, counters }) => [phase, counters?.packets])).toEqual([
      ["deny", 5],
      // Two addresses of the family.
      ["accept", 14],
    ]);
  });

  test("are null where the kernel does not have the rule", () => {
    const attachment = attachmentWith({ policy: { staticRules: [web] } });
    const kernel = { 4: parseRuleset("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT"), 6: "unreadable" } as const;
    const { rules, defaultAction } = viewAttachment(attachment, { context: { runtimeRules: none, nowMs: 0 }, kernel });
    expect([rules[0]?.counters, defaultAction.counters]).toEqual([null, null]);
  });
});
