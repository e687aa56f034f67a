import { describe, expect, test } from "vitest";
import { createCompiler, type CompiledNode } from "../../../lib/netfilter/compile-node.ts";
import type { ActualRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import {
  findUnknownChains,
  isEmptyPlan,
  isSame,
  planAttachment,
  planDetachment,
  planNode,
} from "../../../lib/netfilter/plan.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { rule, runtimeRuleSet } from "../policy/fixtures.ts";
import { compiledNode, FIREWALL_PLUGIN, tableOf, targetsOf, type Table } from "./fixtures.ts";

const MAIN = "CNI-OUTBOUND";
const GONE = "CNI-OUT-00000000000000000000";
const KNOWN = "-m comment --comment outbound:1:0123456789abcdef";
const staticRules = [rule({ host: "10.1.0.0/16", action: "ACCEPT" })];
const one = attachmentOf({ policy: { staticRules } });
const two = attachmentOf({
  containerId: "two",
  addresses: ["10.88.0.3"],
  hostInterface: { name: "veth2", isBridgePort: true },
  policy: { staticRules },
  sequence: 2000,
});
const dropNet = runtimeRuleSet("global/net", { rules: [rule({ host: "10.9.0.0/16", action: "DROP" })] });
const allowWeb = runtimeRuleSet("namespace/default/job/web/x", {
  rules: [rule({ proto: "tcp", port: 80, action: "ACCEPT" })],
});
/** Rules that the Go plugin makes for a container that still runs. */
const GO = "CNI-OUT-99999999999999999999";
const GO_CONTAINER = [`:${GO} - [0:0]`, `-A ${GO} -d 10.0.0.1/32 -j ACCEPT`, `-A ${GO} -j DROP`];

interface Overrides {
  readonly keep?: ReadonlySet<string>;
  readonly isSettled?: boolean;
}

function planFor(node: CompiledNode, actual: ActualRuleset, { keep = new Set(), isSettled = true }: Overrides = {}) {
  return planNode(node, { actual, family: 4, keep, isSettled });
}

/** Applies the plan for a node and gives it; a second one must be empty. */
async function settle(table: Table, node: CompiledNode, overrides: Overrides = {}) {
  const plan = planFor(node, await table.read(), overrides);
  await table.applyPlan(plan);
  expect(planFor(node, await table.read(), overrides)).toMatchObject({ write: [], remove: [], anchors: [] });
  return plan;
}

describe("planNode", () => {
  test("makes every chain of an empty table, the main chain and its jumps", async () => {
    const table = await tableOf(...FIREWALL_PLUGIN);
    await settle(table, compiledNode([one, two], { ruleSets: [dropNet] }));
    const actual = await table.read();
    expect(targetsOf(actual, MAIN)).toEqual([two.chain, two.chain, one.chain, one.chain]);
    expect(targetsOf(actual, "CNI-FORWARD")).toEqual(["CNI-ADMIN", MAIN, "ACCEPT", "ACCEPT"]);
    expect(targetsOf(actual, "INPUT")).toEqual([MAIN]);
  });

  test("writes only what a changed rule set costs", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two], { ruleSets: [dropNet, allowWeb] }));
    const changed = {
      ...dropNet,
      ruleSet: { ...dropNet.ruleSet, rules: [rule({ host: "10.8.0.0/16", action: "DROP" })] },
    };
    const plan = await settle(table, compiledNode([one, two], { ruleSets: [changed, allowWeb] }));
    expect(plan.write).toHaveLength(1);
    expect(plan.write[0]?.rules.map(({ text }) => text)).toEqual([expect.stringContaining("-d 10.8.0.0/16")]);
    expect(plan).toMatchObject({ remove: [], anchors: [], stuck: [] });
  });

  test("puts back what was emptied, altered, reordered or removed", async () => {
    const table = await tableOf(...FIREWALL_PLUGIN);
    const node = compiledNode([one, two], { ruleSets: [dropNet] });
    await settle(table, node);
    const before = await table.read();
    for (const change of [
      [`-F ${one.chain}`],
      [`-F ${MAIN}`],
      [`-I ${one.chain} 1 -j RETURN`],
      [`-I ${MAIN} 1 -s 10.88.0.2/32 -j ACCEPT`],
      [`-D ${one.chain} -j DROP`].map((line) => line.replace("-j", `${commentOf(before, one.chain)} -j`)),
      ["-F CNI-FORWARD"],
      ["-F INPUT"],
    ]) {
      await table.apply(...change);
      expect(isEmptyPlan(planFor(node, await table.read()))).toBe(false);
      await settle(table, node);
    }
    const after = await table.read();
    for (const chain of node.chains.keys()) expect(after.get(chain)).toEqual(before.get(chain));
    expect(after.get(MAIN)).toEqual(before.get(MAIN));
  });

  test("removes chains of ours that nothing needs, those that lead to each other too", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two], { ruleSets: [dropNet, allowWeb] }));
    const plan = await settle(table, compiledNode([two]));
    const actual = await table.read();
    expect(plan.remove).toContain(one.chain);
    expect([...actual.keys()].toSorted()).toEqual(
      ["FORWARD", "INPUT", "OUTPUT", MAIN, ...compiledNode([two]).chains.keys()].toSorted(),
    );
    expect(targetsOf(actual, MAIN)).toEqual([two.chain, two.chain]);
  });

  test("keeps the main chain, empty, when the last attachment has gone", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one]));
    await settle(table, compiledNode([]));
    const actual = await table.read();
    expect(targetsOf(actual, MAIN)).toEqual([]);
    expect(targetsOf(actual, "FORWARD")).toEqual([MAIN]);
    expect([...actual.keys()].filter((name) => name.startsWith("CNI-OUT"))).toEqual([MAIN]);
  });

  test("serves several main chains", async () => {
    const table = await tableOf();
    const other = attachmentOf({
      containerId: "o",
      addresses: ["10.88.0.9"],
      policy: { mainChain: "EGRESS", hostTraffic: "allow" },
    });
    await settle(table, compiledNode([one, other]));
    const actual = await table.read();
    expect(targetsOf(actual, "FORWARD")?.toSorted()).toEqual([MAIN, "EGRESS"]);
    expect(targetsOf(actual, "INPUT")).toEqual([MAIN]);
    expect(new Set(targetsOf(actual, "EGRESS"))).toEqual(new Set([other.chain]));
  });

  test("leaves an attachment out in the family that it has no address or interface of", () => {
    const { hostInterface: _, ...rest } = attachmentOf({ addresses: ["10.88.0.2"] });
    const node = compiledNode([rest], { family: 6 });
    expect(node.chains.size).toBe(0);
    expect(planNode(node, { actual: new Map(), family: 6, keep: new Set(), isSettled: true }).write).toEqual([
      { name: MAIN, rules: [] },
    ]);
  });

  test("empties an orphan that a rule of somebody else leads to, and says who does", async () => {
    const table = await tableOf(
      `:${GONE} - [0:0]`,
      ":OTHERS - [0:0]",
      `-A ${GONE} ${KNOWN} -j DROP`,
      `-A OTHERS -j ${GONE}`,
    );
    const plan = await settle(table, compiledNode([one]));
    expect(plan.stuck).toEqual([{ chain: GONE, reachedFrom: ["OTHERS"] }]);
    expect(targetsOf(await table.read(), GONE)).toEqual([]);
  });

  test("frees what only a stuck orphan leads to", async () => {
    const shared = "CNI-OUTDR-000000000000000000";
    const table = await tableOf(
      `:${shared} - [0:0]`,
      `:${GONE} - [0:0]`,
      ":OTHERS - [0:0]",
      `-A ${GONE} ${KNOWN} -j ${shared}`,
      `-A OTHERS -j ${GONE}`,
    );
    const plan = await settle(table, compiledNode([]));
    expect(plan.remove).toEqual([shared]);
  });

  test("keeps a chain that may still run, all that it goes through and what leads to it", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two], { ruleSets: [dropNet] }));
    const before = await table.read();
    await settle(table, compiledNode([two], { ruleSets: [dropNet] }), { keep: new Set([one.chain]) });
    const after = await table.read();
    expect([...after.keys()].toSorted()).toEqual([...before.keys()].toSorted());
    expect(after.get(one.chain)).toEqual(before.get(one.chain));
    expect(targetsOf(after, MAIN)).toEqual([two.chain, two.chain, one.chain, one.chain]);
  });

  test("takes rules of others out of the main chain", async () => {
    const table = await tableOf(`:${MAIN} - [0:0]`, `-A ${MAIN} -s 10.0.0.0/8 -j ACCEPT`, `-A ${MAIN} -j RETURN`);
    await settle(table, compiledNode([one]));
    expect(targetsOf(await table.read(), MAIN)).toEqual([one.chain, one.chain]);
  });

  test("leaves chains that are not ours by name or by content alone", async () => {
    const table = await tableOf(...GO_CONTAINER, ":DOCKER - [0:0]", "-A DOCKER -j RETURN", ":CNI-OUTER - [0:0]");
    await settle(table, compiledNode([]));
    expect([...(await table.read()).keys()]).toEqual(expect.arrayContaining([GO, "DOCKER", "CNI-OUTER"]));
  });

  test("keeps the Go plugin's dispatch to containers that still run, and its order after ours", async () => {
    const table = await tableOf(...GO_CONTAINER, `:${MAIN} - [0:0]`, `-A ${MAIN} -s 10.88.0.50/32 -j ${GO}`);
    await settle(table, compiledNode([one]));
    expect(targetsOf(await table.read(), MAIN)).toEqual([one.chain, one.chain, GO]);
    expect((await table.read()).get(GO)).toHaveLength(2);
  });

  test("takes the Go plugin's dispatch away from a chain that has become ours", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two]));
    await table.apply(`-A ${MAIN} -s 10.88.0.2/32 -j ${one.chain}`);
    await settle(table, compiledNode([one, two]));
    expect(targetsOf(await table.read(), MAIN)).toEqual([two.chain, two.chain, one.chain, one.chain]);
  });

  test("removes an orphan that the Go plugin's dispatch still leads to", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two]));
    await table.apply(`-A ${MAIN} -s 10.88.0.2/32 -j ${one.chain}`);
    const plan = await settle(table, compiledNode([two]));
    expect(plan.remove).toContain(one.chain);
    expect(targetsOf(await table.read(), MAIN)).toEqual([two.chain, two.chain]);
  });

  test("keeps one copy of the Go plugin's dispatch to a chain that may still run", async () => {
    const table = await tableOf(`:${GONE} - [0:0]`, `:${MAIN} - [0:0]`, `-A ${MAIN} -s 10.88.0.50/32 -j ${GONE}`);
    const keep = new Set([GONE]);
    await settle(table, compiledNode([one]), { keep });
    await settle(table, compiledNode([one]), { keep });
    expect(targetsOf(await table.read(), MAIN)).toEqual([one.chain, one.chain, GONE]);
  });
});

describe("planNode before KV has been read", () => {
  const unsettled = { isSettled: false };

  test("removes nothing", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two], { ruleSets: [dropNet, allowWeb] }));
    const keep = new Set([one.chain]);
    const plan = planFor(compiledNode([two]), await table.read(), { ...unsettled, keep });
    expect(plan.remove).toEqual([]);
    expect(plan.write).toEqual([]);
  });

  test("leaves a chain that holds what KV said as it is, whatever a cache says", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one], { ruleSets: [dropNet] }));
    const older = {
      ...dropNet,
      ruleSet: { ...dropNet.ruleSet, rules: [rule({ host: "10.7.0.0/16", action: "DROP" })] },
    };
    expect(isEmptyPlan(planFor(compiledNode([one], { ruleSets: [older] }), await table.read(), unsettled))).toBe(true);
  });

  test.each([
    ["emptied", (chain: string) => [`-F ${chain}`]],
    ["altered", (chain: string) => [`-I ${chain} 1 -j RETURN`]],
  ])("writes a chain that somebody else has %s", async (_, change) => {
    const table = await tableOf();
    const node = compiledNode([one], { ruleSets: [dropNet] });
    await settle(table, node);
    const deny = [...node.chains.keys()].filter((name) => name.startsWith("CNI-OUTD") || name === one.chain);
    expect(deny.length).toBeGreaterThan(2);
    for (const chain of deny) {
      if (node.chains.get(chain)?.rules.length === 0) continue;
      await table.apply(...change(chain));
      await settle(table, node, unsettled);
    }
  });

  test("makes what is missing", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one], { ruleSets: [dropNet] }), unsettled);
    expect((await table.read()).has(one.chain)).toBe(true);
  });
});

describe("planAttachment", () => {
  const compile = (ruleSets = [dropNet]) =>
    createCompiler(4).compileAttachment(two, { runtimeRules: { node: "n1", ruleSets }, nowMs: 0 });

  test("adds one attachment to a node and leaves the others alone", async () => {
    const table = await tableOf(...FIREWALL_PLUGIN);
    await settle(table, compiledNode([one], { ruleSets: [dropNet] }));
    await table.applyPlan(planAttachment(compile(), { actual: await table.read(), family: 4 }));
    expect(isEmptyPlan(planFor(compiledNode([one, two], { ruleSets: [dropNet] }), await table.read()))).toBe(true);
  });

  test("does not touch a chain that holds what KV says, and makes a missing one", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one], { ruleSets: [dropNet] }));
    const older = { ...dropNet, ruleSet: { ...dropNet.ruleSet, rules: [] } };
    const plan = planAttachment(compile([older, allowWeb]), { actual: await table.read(), family: 4 });
    const written = plan.write.map(({ name }) => name);
    expect(written).toEqual(expect.arrayContaining([two.chain, MAIN]));
    const shared = written.filter((name) => name !== two.chain && name !== MAIN);
    expect(shared.toSorted()).toEqual([expect.stringMatching(/^CNI-OUTAR-/), expect.stringMatching(/^CNI-OUTAS-/)]);
  });

  test("takes over a chain of the Go plugin's of the same name, dispatch included", async () => {
    const table = await tableOf(
      `:${two.chain} - [0:0]`,
      `-A ${two.chain} -j ACCEPT`,
      `:${MAIN} - [0:0]`,
      `-A ${MAIN} -s 10.88.0.3/32 -j ${two.chain}`,
    );
    await table.applyPlan(planAttachment(compile(), { actual: await table.read(), family: 4 }));
    expect(isEmptyPlan(planFor(compiledNode([two], { ruleSets: [dropNet] }), await table.read()))).toBe(true);
  });

  test("of an attached container leaves nothing to do", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two], { ruleSets: [dropNet] }));
    const actual = await table.read();
    const compiled = createCompiler(4).compileAttachment(one, {
      runtimeRules: { node: "n1", ruleSets: [dropNet] },
      nowMs: 0,
    });
    const plan = planAttachment(compiled, { actual, family: 4 });
    // Its dispatch comes first now; nothing else moves.
    expect(plan.write.map(({ name }) => name)).toEqual([MAIN]);
    expect(plan).toMatchObject({ remove: [], anchors: [] });
  });
});

describe("planDetachment", () => {
  test("takes the chain and its dispatch away and leaves what is shared", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two], { ruleSets: [dropNet] }));
    const before = await table.read();
    await table.applyPlan(planDetachment(one.chain, { actual: before }));
    const after = await table.read();
    expect([...before.keys()].filter((name) => !after.has(name))).toEqual([one.chain]);
    expect(targetsOf(after, MAIN)).toEqual([two.chain, two.chain]);
  });

  test("is empty where the chain is not there", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([two]));
    expect(isEmptyPlan(planDetachment(one.chain, { actual: await table.read() }))).toBe(true);
  });

  test("takes the Go plugin's dispatch away with it", async () => {
    const table = await tableOf(...GO_CONTAINER, `:${MAIN} - [0:0]`, `-A ${MAIN} -s 10.88.0.50/32 -j ${GO}`);
    await table.applyPlan(planDetachment(GO, { actual: await table.read() }));
    const actual = await table.read();
    expect(actual.has(GO)).toBe(false);
    expect(targetsOf(actual, MAIN)).toEqual([]);
  });

  test("empties a chain that a rule of somebody else leads to", async () => {
    const table = await tableOf(...GO_CONTAINER, ":OTHERS - [0:0]", `-A OTHERS -j ${GO}`);
    const plan = planDetachment(GO, { actual: await table.read() });
    await table.applyPlan(plan);
    expect(plan.stuck).toEqual([{ chain: GO, reachedFrom: ["OTHERS"] }]);
    expect(targetsOf(await table.read(), GO)).toEqual([]);
  });
});

describe("findUnknownChains", () => {
  test("names the interfaces that lead to a chain of ours that no attachment has", async () => {
    const table = await tableOf();
    await settle(table, compiledNode([one, two]));
    expect(findUnknownChains(compiledNode([two]), await table.read())).toEqual([
      { chain: one.chain, interfaces: ["veth0a1b2c3d"], isReached: true },
    ]);
    expect(findUnknownChains(compiledNode([one, two]), await table.read())).toEqual([]);
  });

  test("tells a chain that addresses alone lead to from one that nothing leads to", async () => {
    const table = await tableOf(`:${GONE} - [0:0]`, `-A ${GONE} ${KNOWN} -j DROP`);
    expect(findUnknownChains(compiledNode([]), await table.read())).toEqual([
      { chain: GONE, interfaces: [], isReached: false },
    ]);
    await table.apply(`:${MAIN} - [0:0]`, `-A ${MAIN} -s 10.88.0.50/32 ${KNOWN} -g ${GONE}`);
    expect(findUnknownChains(compiledNode([]), await table.read())).toEqual([
      { chain: GONE, interfaces: [], isReached: true },
    ]);
  });

  test("does not count the Go plugin's chains as ours", async () => {
    const table = await tableOf(...GO_CONTAINER);
    expect(findUnknownChains(compiledNode([]), await table.read())).toEqual([]);
  });
});

describe("isSame", () => {
  const wanted = {
    name: "X",
    rules: [
      { text: "-j A", hash: "1:a", target: "A" },
      { text: "-j B", hash: "1:b", target: "B" },
    ],
  };
  const actual = (hash: string | undefined, text = "", target = hash?.at(-1)?.toUpperCase()) => ({
    text,
    hash,
    target,
  });
  test("compares hashes and targets in order, and nothing else", () => {
    expect(isSame(wanted, [actual("1:a"), actual("1:b")])).toBe(true);
    expect(isSame(wanted, [actual("1:b"), actual("1:a")])).toBe(false);
    expect(isSame(wanted, [actual("1:a")])).toBe(false);
    expect(isSame(wanted, [actual("1:a"), actual("1:b"), actual("1:b")])).toBe(false);
    expect(isSame(wanted, [actual("1:a"), actual(undefined, "-j B")])).toBe(false);
    expect(isSame(wanted, [actual("1:a"), actual("1:b", "-j ACCEPT", "ACCEPT")])).toBe(false);
    expect(isSame(wanted, undefined)).toBe(false);
    expect(isSame({ name: "X", rules: [] }, [])).toBe(true);
  });
});

/** The comment of a chain's last rule. */
function commentOf(actual: ActualRuleset, chain: string): string {
  return `-m comment --comment outbound:${actual.get(chain)?.at(-1)?.hash}`;
}
