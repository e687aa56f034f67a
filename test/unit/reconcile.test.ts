import { expect, test } from "vitest";
import { createCompiler } from "../../lib/netfilter/compile-node.ts";
import { sharedChainName } from "../../lib/netfilter/names.ts";
import { parseRuleset, type ActualRuleset } from "../../lib/netfilter/parse-ruleset.ts";
import { planNode } from "../../lib/netfilter/plan.ts";
import { reconcile } from "../../lib/reconcile.ts";
import { createFakeIptables, type FakeIptables } from "../fakes/fake-iptables.ts";
import { createMemoryLog } from "../fakes/log.ts";
import { attachmentOf } from "../support/attachment.ts";
import { rule, runtimeRulesOf } from "./policy/fixtures.ts";

const DENIES = sharedChainName("deny-rules", "global/a");

/** Makes the kernel deny these hosts; `betweenReadAndWrite` is what somebody else does meanwhile, once. */
async function deny(kernel: FakeIptables, hosts: readonly string[], betweenReadAndWrite?: string): Promise<string[]> {
  const rules = hosts.map((host) => rule({ host, action: "DROP" }));
  const input = { runtimeRules: runtimeRulesOf({ "global/a": { rules } }), nowMs: 0 };
  const node = createCompiler(4).compileNode([attachmentOf()], input);
  const plan = (actual: ActualRuleset) => planNode(node, { actual, family: 4, keep: new Set(), isSettled: true });
  let pending = betweenReadAndWrite;
  const save: FakeIptables["save"] = async (family, options) => {
    const listing = await kernel.save(family, options);
    if (pending !== undefined) await kernel.restore(4, `*filter\n${pending}\nCOMMIT\n`);
    pending = undefined;
    return listing;
  };
  const log = createMemoryLog();
  await reconcile(4, { plan, iptables: { ...kernel, save }, log });
  return log.lines.map(({ message }) => message);
}

async function denied(kernel: FakeIptables): Promise<readonly unknown[]> {
  const rules = parseRuleset(await kernel.save(4, { withCounters: true })).get(DENIES) ?? [];
  return rules.map(({ text, counters }) => [text.split(" ")[1], counters?.packets]);
}

test("rules that stay keep what they have counted", async () => {
  const kernel = createFakeIptables();
  await deny(kernel, ["10.0.0.1", "10.0.0.2"]);
  kernel.send(4);
  expect(await deny(kernel, ["10.0.0.3", "10.0.0.2"])).toEqual([]);
  expect(await denied(kernel)).toEqual([
    ["10.0.0.3/32", 0],
    ["10.0.0.2/32", 1],
  ]);
});

test.each([
  ["puts a rule into", `-I ${DENIES} 1 -j RETURN`, "Somebody changed a chain while it was edited, it is read again"],
  ["empties", `-F ${DENIES}`, "The kernel refused a transaction"],
])("a chain that somebody %s between the read and the write is read and filled again", async (_, change, message) => {
  const kernel = createFakeIptables();
  await deny(kernel, ["10.0.0.1", "10.0.0.2"]);
  kernel.send(4);
  expect(await deny(kernel, ["10.0.0.3", "10.0.0.2"], change)).toEqual([message]);
  expect(await denied(kernel)).toEqual([
    ["10.0.0.3/32", 0],
    ["10.0.0.2/32", 0],
  ]);
});
