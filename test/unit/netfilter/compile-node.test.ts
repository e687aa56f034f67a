import { describe, expect, test } from "vitest";
import { chainsOfScopes } from "../../../lib/netfilter/compiled.ts";
import { createCompiler } from "../../../lib/netfilter/compile-node.ts";
import { ACCEPT_CHAIN, PASS_CHAIN, sharedChainName } from "../../../lib/netfilter/names.ts";
import type { RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { rule, runtimeRuleSet } from "../policy/fixtures.ts";
import { compiledNode } from "./fixtures.ts";

const drop = rule({ host: "10.9.0.0/16", action: "DROP" });
const accept = rule({ host: "10.8.0.0/16", action: "ACCEPT" });
const one = attachmentOf({ policy: { staticRules: [accept, drop] } });
const two = attachmentOf({ containerId: "two", addresses: ["10.88.0.3"], policy: one.policy, sequence: 2000 });

/** How many chains there are of each kind. */
function kindsOf(names: Iterable<string>): Readonly<Record<string, number>> {
  const kinds: Record<string, number> = {};
  for (const name of names) {
    const kind = name.replace(/-[0-9a-f]{18,20}$/, "");
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}

describe("createCompiler", () => {
  test("gives wide scopes their chains from the first attachment on", () => {
    expect(kindsOf(compiledNode([one]).chains.keys())).toEqual({
      [ACCEPT_CHAIN]: 1,
      [PASS_CHAIN]: 1,
      "CNI-OUT": 1,
      "CNI-OUTST": 1,
      "CNI-OUTDS": 4,
      "CNI-OUTAS": 4,
    });
  });

  test.each([
    ["namespace/default/job/web/x", 1],
    ["namespace/default/job/web/group/app/x", 1],
    [`namespace/default/alloc/${one.containerId}/x`, 1],
    ["global/x", 0],
    ["node/n1/x", 0],
    ["network/egress/x", 0],
    ["namespace/default/x", 0],
  ])("makes the chains of the scope of %s with its first rule set: %i more", (key, more) => {
    const sets = [runtimeRuleSet(key, { rules: [drop, accept] })];
    const kinds = kindsOf(compiledNode([one], { ruleSets: sets }).chains.keys());
    expect(kinds).toMatchObject({ "CNI-OUTDS": 4 + more, "CNI-OUTAS": 4 + more, "CNI-OUTDR": 1, "CNI-OUTAR": 1 });
  });

  test("leaves an attachment's own chain alone when a wide scope's rule sets change", () => {
    const chainWith = (ruleSets: readonly RuntimeRuleSet[]) => compiledNode([one], { ruleSets }).chains.get(one.chain);
    const wide = ["global/x", "node/n1/x", "network/egress/x", "namespace/default/x"];
    for (const key of wide) expect(chainWith([runtimeRuleSet(key, { rules: [drop] })])).toEqual(chainWith([]));
    const narrow = runtimeRuleSet("namespace/default/job/web/x", { rules: [drop] });
    expect(chainWith([narrow])).not.toEqual(chainWith([]));
  });

  test("shares what is the same between attachments", () => {
    const node = compiledNode([one, two], {
      ruleSets: [runtimeRuleSet("namespace/default/job/web/x", { rules: [drop] })],
    });
    expect(kindsOf(node.chains.keys())).toMatchObject({ "CNI-OUT": 2, "CNI-OUTST": 1, "CNI-OUTDS": 5, "CNI-OUTDR": 1 });
  });

  test("goes through no accepts where all is accepted by default", () => {
    const open = attachmentOf({ policy: { defaultAction: "ACCEPT" }, jobRules: [accept] });
    const { chain } = createCompiler(4).compileAttachment(open, {
      runtimeRules: { node: "n1", ruleSets: [] },
      nowMs: 0,
    });
    expect(chain.rules.filter(({ text }) => /CNI-OUTA[SR]-/.test(text))).toEqual([]);
  });

  test("drops the initial rules while the network's scope has a rule set in force", () => {
    const initial = attachmentOf({ policy: { initialRules: [accept] } });
    const count = (key: string, set = {}) =>
      kindsOf(compiledNode([initial], { ruleSets: [runtimeRuleSet(key, set)] }).chains.keys())["CNI-OUTAR"] ?? 0;
    expect(count("network/egress/x")).toBe(0);
    expect(count("network/other/x")).toBe(1);
    expect(count("network/egress/x", { mode: "audit" })).toBe(1);
    expect(count("network/egress/x", { expiresAt: 0 })).toBe(1);
  });

  test("has an audited rule set stand where it would stand enforced, and go where it logs", () => {
    const standing = (mode: "enforce" | "audit") => {
      const sets = ["global/a", "global/b", "global/c"].map((key) =>
        runtimeRuleSet(key, { rules: [drop, accept], mode: key === "global/b" ? mode : "enforce" }),
      );
      const { chains } = compiledNode([one], { ruleSets: sets });
      const jumps = (kind: "deny-scope" | "accept-scope") =>
        chains.get(sharedChainName(kind, "global/"))?.rules.map(({ target }) => target);
      return { jumps: [jumps("deny-scope"), jumps("accept-scope")], kinds: kindsOf(chains.keys()) };
    };
    const named = (kind: "rules" | "audit") =>
      (["deny", "accept"] as const).map((phase) =>
        ["a", "b", "c"].map((name) =>
          sharedChainName(name === "b" ? `${phase}-${kind}` : `${phase}-rules`, `global/${name}`),
        ),
      );
    const [audited, enforced] = [standing("audit"), standing("enforce")];
    expect([audited.jumps, enforced.jumps]).toEqual([named("audit"), named("rules")]);
    expect(audited.kinds).toMatchObject({ "CNI-OUTDA": 1, "CNI-OUTDL": 1, "CNI-OUTAA": 1, "CNI-OUTAL": 1 });
    expect(enforced.kinds).not.toHaveProperty("CNI-OUTDL");
  });

  test("leaves out rule sets that are expired, audited ones too, or of another node", () => {
    const dropping = { rules: [drop] };
    const sets = [
      runtimeRuleSet("global/audited", { ...dropping, mode: "audit", expiresAt: 0 }),
      runtimeRuleSet("global/expired", { ...dropping, expiresAt: 0 }),
      runtimeRuleSet("node/n2/x", dropping),
    ];
    expect(compiledNode([one], { ruleSets: sets }).chains).toEqual(compiledNode([one]).chains);
  });

  test("has the newest attachment first, and of two of one moment always the same", () => {
    const twin = attachmentOf({ containerId: "twin", sequence: 2000 });
    const order = (...attachments: Parameters<typeof compiledNode>[0]) =>
      compiledNode(attachments).attachments.map(({ attachment }) => attachment.containerId);
    expect(order(one, two, twin)).toEqual(order(twin, two, one));
    expect(order(one, two, twin).at(-1)).toBe(one.containerId);
  });

  test("names the chains that are a function of their name", () => {
    const sets = [runtimeRuleSet("global/x", { rules: [drop] })];
    const node = compiledNode([attachmentOf({ ...one, jobRules: [drop, accept] })], { ruleSets: sets });
    expect(kindsOf(node.attachments.flatMap(({ contentChains }) => contentChains.map(({ name }) => name)))).toEqual({
      [ACCEPT_CHAIN]: 1,
      [PASS_CHAIN]: 1,
      "CNI-OUTST": 1,
      "CNI-OUTDR": 1,
      "CNI-OUTAR": 1,
    });
  });
});

describe("a compiler's memory", () => {
  const nowMs = 0;
  const set = runtimeRuleSet("namespace/default/job/web/x", { rules: [drop] });
  const other = runtimeRuleSet("global/y", { rules: [drop] });
  const input = (...ruleSets: readonly RuntimeRuleSet[]) => ({ runtimeRules: { node: "n1", ruleSets }, nowMs });

  test("gives the same chain objects for what has not changed", () => {
    const compiler = createCompiler(4);
    const before = compiler.compileNode([one, two], input(set, other));
    const after = compiler.compileNode([one, two], input(set, other));
    for (const [name, chain] of before.chains) expect(after.chains.get(name)).toBe(chain);
  });

  test("renders one rule set and its scope again when that has changed, and no attachment", () => {
    const compiler = createCompiler(4);
    const before = compiler.compileNode([one, two], input(set, other));
    const changed = runtimeRuleSet("namespace/default/job/web/x", {
      rules: [rule({ host: "10.7.0.0/16", action: "DROP" })],
    });
    const after = compiler.compileNode([one, two], input(changed, other));
    const different = [...after.chains].filter(([name, chain]) => before.chains.get(name) !== chain);
    expect(kindsOf(different.map(([name]) => name))).toEqual({ "CNI-OUTDR": 1, "CNI-OUTDS": 1 });
  });

  test("renders an attachment again when a narrow scope appears or goes, and its neighbour not", () => {
    const compiler = createCompiler(4);
    const neighbour = attachmentOf({ containerId: "db", identity: { namespace: "default", job: "db", group: "app" } });
    const chainsWith = (...ruleSets: readonly RuntimeRuleSet[]) =>
      [one, neighbour].map(({ chain }) => compiler.compileNode([one, neighbour], input(...ruleSets)).chains.get(chain));
    const [ownBefore, otherBefore] = chainsWith();
    const [ownAfter, otherAfter] = chainsWith(set);
    expect(ownAfter).not.toEqual(ownBefore);
    expect(otherAfter).toBe(otherBefore);
    expect(chainsWith()).toEqual([ownBefore, otherBefore]);
  });

  test("follows time: a rule set that expires goes without another reason", () => {
    const compiler = createCompiler(4);
    const expiring = runtimeRuleSet("global/x", { rules: [drop], expiresAt: 1000 });
    const count = (ms: number) =>
      kindsOf(compiler.compileNode([one], { ...input(expiring), nowMs: ms }).chains.keys())["CNI-OUTDR"];
    expect([count(999), count(1000), count(999)]).toEqual([1, undefined, 1]);
  });

  test("gives one attachment what it would get on a node", () => {
    const compiler = createCompiler(4);
    const node = compiler.compileNode([one, two], input(set));
    const { chain, dispatch, contentChains, scopes } = compiler.compileAttachment(one, input(set));
    expect(chain).toBe(node.chains.get(one.chain));
    expect(dispatch).toEqual(node.attachments.find(({ attachment }) => attachment === one)?.dispatch);
    for (const each of [...contentChains, ...chainsOfScopes(scopes)]) expect(node.chains.get(each.name)).toBe(each);
  });
});
