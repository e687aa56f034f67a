import { describe, expect, test } from "vitest";
import { createCompiler } from "../../../lib/netfilter/compile-node.ts";
import { sharedChainName } from "../../../lib/netfilter/names.ts";
import { parseRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import { planNode } from "../../../lib/netfilter/plan.ts";
import { prefixesToRead } from "../../../lib/netfilter/read-first.ts";
import { renderPlan } from "../../../lib/netfilter/render-plan.ts";
import type { RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";
import { createFakeIptables } from "../../fakes/fake-iptables.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { rule, runtimeRuleSet } from "../policy/fixtures.ts";

const web = attachmentOf({ identity: { namespace: "default", job: "web" } });
const deny = rule({ action: "DROP" });
const compile = (...ruleSets: readonly RuntimeRuleSet[]) =>
  createCompiler(4).compileNode([web], { runtimeRules: { node: "n1", ruleSets }, nowMs: 0 });

describe("prefixesToRead", () => {
  const node = compile(runtimeRuleSet("namespace/default/job/web/a", { rules: [deny] }));
  const prefixes = prefixesToRead(node);

  test("a scope's chain needs its own prefix, a job's that of its namespace", () => {
    expect(prefixes.get(sharedChainName("deny-scope", "global/"))).toEqual(["global/"]);
    expect(prefixes.get(sharedChainName("deny-scope", "namespace/default/job/web/"))).toEqual(["namespace/default/"]);
    expect(prefixes.get(sharedChainName("deny-rules", "namespace/default/job/web/a"))).toEqual(["namespace/default/"]);
  });

  test("an attachment's chain needs its network's and its namespace's", () => {
    expect(prefixes.get(web.chain)).toEqual([`network/${web.network}/`, "namespace/default/"]);
  });
});

describe("a node of which one prefix cannot be read", () => {
  /** Everything read and in the kernel; then the watcher starts again without a cache, and reads all but `unread`. */
  async function afterRestart(unread: string) {
    const iptables = createFakeIptables();
    const before = compile(
      runtimeRuleSet("global/a", { rules: [deny] }),
      runtimeRuleSet("namespace/default/a", { rules: [deny] }),
    );
    const read = async () => parseRuleset(await iptables.save(4));
    const options = { family: 4, keep: new Set<string>() } as const;
    await iptables.restore(4, renderPlan(planNode(before, { ...options, actual: await read(), isSettled: true })));
    const known = [
      runtimeRuleSet("global/b", { rules: [deny] }),
      runtimeRuleSet("namespace/default/b", { rules: [deny] }),
    ].filter(({ key }) => !key.startsWith(unread));
    const isRead = (prefix: string): boolean => prefix !== unread;
    const plan = planNode(compile(...known), { ...options, actual: await read(), isSettled: false, isRead });
    await iptables.restore(4, renderPlan(plan));
    const actual = await read();
    return (kind: "deny-scope", identity: string) =>
      actual.get(sharedChainName(kind, identity))?.map(({ target }) => target);
  }

  test("has the rules of the others in force at once", async () => {
    const targets = await afterRestart("global/");
    expect(targets("deny-scope", "namespace/default/")).toEqual([sharedChainName("deny-rules", "namespace/default/b")]);
  });

  test("keeps the rules of that one as they were", async () => {
    const targets = await afterRestart("global/");
    expect(targets("deny-scope", "global/")).toEqual([sharedChainName("deny-rules", "global/a")]);
  });
});
