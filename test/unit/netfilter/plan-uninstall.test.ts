import { describe, expect, test } from "vitest";
import { createCompiler } from "../../../lib/netfilter/compile-node.ts";
import { parseRuleset, type ActualRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import { planUninstall } from "../../../lib/netfilter/plan-uninstall.ts";
import { isEmptyPlan, planNode } from "../../../lib/netfilter/plan.ts";
import { renderPlan } from "../../../lib/netfilter/render-plan.ts";
import { attachmentWith } from "../inspect/fixtures.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";

const goChain = "CNI-OUT-aaaaaaaaaaaaaaaaaaaa";
const plain = [
  ":INPUT ACCEPT [0:0]",
  ":FORWARD DROP [0:0]",
  ":CNI-FORWARD - [0:0]",
  ":CNI-ADMIN - [0:0]",
  '-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD',
  '-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN',
  "-A CNI-FORWARD -s 10.88.0.2/32 -j ACCEPT",
];
const attachments = [
  attachmentWith({ policy: { staticRules: [rule({ host: "10.1.2.3", action: "ACCEPT" })] } }),
  attachmentWith({
    containerId: "b",
    chain: "CNI-OUT-bbbbbbbbbbbbbbbbbbbb",
    policy: { mainChain: "EGRESS", hostTraffic: "allow" },
  }),
];
const runtimeRules = runtimeRulesOf({ "global/a": { rules: [rule({ host: "10.9.9.9", action: "DROP" })] } });

/** What a table reads after a transaction; it throws where the kernel would refuse. */
function apply(table: ActualRuleset, text: string): ActualRuleset {
  const chains = new Map([...table].map(([name, rules]) => [name, rules.map((each) => each.text)]));
  const rulesOf = (name: string): string[] => {
    const rules = chains.get(name);
    if (!rules) throw new Error(`no chain ${name}`);
    return rules;
  };
  for (const line of text.split("\n")) {
    const [, word = "", name = "", rest = ""] = /^(:|-\w )(\S+) ?(.*)$/.exec(line) ?? [];
    if (word === ":") chains.set(name, []);
    if (word === "-A ") rulesOf(name).push(rest);
    if (word === "-I ") rulesOf(name).splice(Number(rest.split(" ")[0]) - 1, 0, rest.replace(/^\d+ /, ""));
    if (word === "-D ") {
      const index = rulesOf(name).indexOf(rest);
      if (index === -1) throw new Error(`no rule ${line}`);
      rulesOf(name).splice(index, 1);
    }
    if (word === "-X ") {
      const users = [...chains].filter(([, rules]) => rules.some((each) => each.endsWith(` ${name}`)));
      if (rulesOf(name).length > 0 || users.length > 0) throw new Error(`${name} is in use by ${users.join(" ")}`);
      chains.delete(name);
    }
  }
  const lines = [...chains].flatMap(([name, rules]) => [
    `:${name} - [0:0]`,
    ...rules.map((each) => `-A ${name} ${each}`),
  ]);
  return parseRuleset(["*filter", ...lines].join("\n"));
}

function textOf(table: ActualRuleset): readonly string[] {
  return [...table].flatMap(([name, rules]) => [name, ...rules.map(({ text }) => `${name} ${text}`)]);
}

describe.each([4, 6] as const)("in IPv%i, an uninstall", (family) => {
  const before = parseRuleset(["*filter", ...plain].join("\n"));
  const node = createCompiler(family).compileNode(attachments, { runtimeRules, nowMs: 0 });
  const plan = planNode(node, { actual: before, family, keep: new Set(), isSettled: true });
  const installed = apply(before, renderPlan(plan));
  const uninstall = (actual: ActualRuleset, mainChains: readonly string[] = []) =>
    planUninstall({ actual, family, mainChains });

  test("brings back the table from before the first container, whatever main chains there are", () => {
    expect(installed.size).toBeGreaterThan(before.size + 6);
    const planned = uninstall(installed);
    expect(textOf(apply(installed, renderPlan(planned)))).toEqual(textOf(before));
    expect([planned.left, planned.stuck]).toEqual([[], []]);
  });

  test("tells of built-in chains that hold nothing but our jumps", () => {
    expect(uninstall(installed).leftEmpty).toEqual(["INPUT"]);
    const guarded = apply(installed, "-A INPUT -p tcp -j ACCEPT");
    expect(uninstall(guarded).leftEmpty).toEqual([]);
    expect(uninstall(before).leftEmpty).toEqual([]);
  });

  test("changes nothing where nothing of ours is", () => {
    expect(isEmptyPlan(uninstall(before))).toBe(true);
  });

  test("deletes each copy of a jump", () => {
    const [jump = ""] = textOf(installed).filter((line) => /^INPUT .*CNI-OUTBOUND$/.test(line));
    const doubled = apply(installed, `-I INPUT 1 ${jump.slice("INPUT ".length)}`);
    expect(textOf(apply(doubled, renderPlan(uninstall(doubled))))).toEqual(textOf(before));
  });

  test("finds main chains that nothing leads to any more by their rules, or by their name once they are empty", () => {
    const cut = apply(installed, uninstall(installed).anchors.join("\n"));
    expect(textOf(apply(cut, renderPlan(uninstall(cut))))).toEqual(textOf(before));

    const flushed = new Map([...installed.keys()].map((name) => [name, []] as const));
    const left = apply(flushed, renderPlan(uninstall(flushed)));
    expect([...left.keys()].filter((name) => !before.has(name))).toEqual(["CNI-OUTBOUND", "EGRESS"]);
    const byName = apply(flushed, renderPlan(uninstall(flushed, ["CNI-OUTBOUND", "EGRESS"])));
    expect([...byName.keys()]).toEqual([...before.keys()]);
  });

  test("leaves a chain of another program alone, even by a main chain's name", () => {
    const foreign = apply(before, ":CNI-OUTBOUND -\n-A CNI-OUTBOUND -s 10.0.0.1/32 -j DROP");
    expect(isEmptyPlan(uninstall(foreign, ["CNI-OUTBOUND"]))).toBe(true);
  });

  test("empties a chain that somebody else's rule leads to, and says from where", () => {
    const used = apply(installed, "-A CNI-ADMIN -j EGRESS");
    const planned = uninstall(used);
    expect(planned.stuck).toEqual([{ chain: "EGRESS", reachedFrom: ["CNI-ADMIN"] }]);
    const after = apply(used, renderPlan(planned));
    expect(textOf(after).toSorted()).toEqual([...textOf(before), "CNI-ADMIN -j EGRESS", "EGRESS"].toSorted());
  });

  test("leaves the Go plugin's chains, and our jump where only it leads to them", () => {
    const address = family === 4 ? "10.88.0.9/32" : "fd00:88::9/128";
    const goes = `:${goChain} -\n-A ${goChain} -j DROP\n-A CNI-OUTBOUND -s ${address} -j ${goChain}`;
    const mixed = apply(installed, goes);
    const planned = uninstall(mixed);
    expect(planned.left).toEqual(["CNI-OUTBOUND", goChain]);
    const after = apply(mixed, renderPlan(planned));
    expect(after.get("CNI-OUTBOUND")?.map(({ text }) => text)).toEqual([`-s ${address} -j ${goChain}`]);
    expect(after.get("CNI-FORWARD")?.filter(({ target }) => target === "CNI-OUTBOUND")).toHaveLength(1);
    expect(isEmptyPlan(uninstall(after))).toBe(true);

    const own = apply(mixed, "-A FORWARD -j CNI-OUTBOUND");
    const alone = apply(own, renderPlan(uninstall(own)));
    expect(textOf(alone).filter((line) => line.includes("-j CNI-OUTBOUND"))).toEqual(["FORWARD -j CNI-OUTBOUND"]);
  });
});
