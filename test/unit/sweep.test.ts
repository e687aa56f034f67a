import { describe, expect, test } from "vitest";
import { planSweep, sweep, type SweepKnowledge } from "../../lib/sweep.ts";
import { parseRuleset } from "../../lib/netfilter/parse-ruleset.ts";
import { createFakeIptables } from "../fakes/fake-iptables.ts";
import { createMemoryLog } from "../fakes/log.ts";
import { attachmentOf } from "../support/attachment.ts";
import { rule } from "./policy/fixtures.ts";
import { compiledNode, tableOf, targetsOf } from "./netfilter/fixtures.ts";

const MAIN = "CNI-OUTBOUND";
const one = attachmentOf();
const two = attachmentOf({
  containerId: "two",
  addresses: ["10.88.0.3"],
  hostInterface: { name: "veth2", isBridgePort: true },
  sequence: 2000,
});
const { hostInterface: _, ...addressed } = attachmentOf({
  containerId: "three",
  addresses: ["10.88.0.4"],
  sequence: 3000,
});

/** No record is left of any but `two`; what becomes of the others' chains depends on what is known. */
async function swept(knowledge: Partial<SweepKnowledge> & { readonly present?: readonly string[] }) {
  const table = await tableOf();
  const { present = [], ...rest } = knowledge;
  const interfaces = { exists: (name: string) => present.includes(name) };
  const plan = async (options: SweepKnowledge) => planSweep(await table.read(), { ...options, family: 4 });
  await table.applyPlan(await plan({ node: compiledNode([one, two, addressed]), gone: new Set(), interfaces }));
  const options = { node: compiledNode([two]), gone: new Set<string>(), interfaces, ...rest };
  await table.applyPlan(await plan(options));
  expect(await plan(options)).toMatchObject({ write: [], remove: [], anchors: [] });
  const actual = await table.read();
  return { isThere: [one, two, addressed].map(({ chain }) => actual.has(chain)), main: targetsOf(actual, MAIN) };
}

describe("planSweep", () => {
  test("removes a chain without a record once every interface that leads to it is gone", async () => {
    const { isThere } = await swept({ present: ["veth2"] });
    expect(isThere).toEqual([false, true, true]);
  });

  test("keeps a chain without a record while its interface is there, and its place in the main chain", async () => {
    const { isThere, main } = await swept({ present: ["veth0a1b2c3d", "veth2"] });
    expect(isThere).toEqual([true, true, true]);
    expect(main).toEqual([two.chain, two.chain, addressed.chain, one.chain, one.chain]);
  });

  test("keeps a chain that addresses alone lead to", async () => {
    expect((await swept({})).isThere.at(-1)).toBe(true);
  });

  test("removes what has gone for certain, whatever leads to it", async () => {
    const present = ["veth0a1b2c3d", "veth2"];
    const { isThere, main } = await swept({ present, gone: new Set([one.chain, addressed.chain]) });
    expect(isThere).toEqual([false, true, false]);
    expect(main).toEqual([two.chain, two.chain]);
  });

  test("keeps a chain whose record cannot be read, even without an interface", async () => {
    expect((await swept({ unreadable: new Set([one.chain]) })).isThere).toEqual([true, true, true]);
  });

  test("takes a chain that is gone and unreadable for gone", async () => {
    const chains = new Set([one.chain]);
    expect((await swept({ unreadable: chains, gone: chains })).isThere).toEqual([false, true, true]);
  });

  test("keeps everything before KV has been read", async () => {
    const gone = new Set([one.chain, addressed.chain]);
    expect((await swept({ isSettled: false, gone })).isThere).toEqual([true, true, true]);
  });

  test("removes a chain that nothing leads to", async () => {
    const orphan = "CNI-OUT-00000000000000000000";
    const known = "-m comment --comment outbound:1:0123456789abcdef";
    const table = await tableOf(`:${orphan} - [0:0]`, `-A ${orphan} ${known} -j DROP`);
    const plan = planSweep(await table.read(), { family: 4, gone: new Set(), interfaces: { exists: () => true } });
    expect(plan.remove).toEqual([orphan]);
  });

  test("keeps what a kept chain goes through", async () => {
    const table = await tableOf();
    const interfaces = { exists: () => true };
    const accepting = attachmentOf({ jobRules: [rule({ host: "10.1.0.0/16", action: "ACCEPT" })] });
    const node = compiledNode([accepting]);
    const first = planSweep(await table.read(), { node, family: 4, gone: new Set(), interfaces });
    await table.applyPlan(first);
    const before = await table.read();
    await table.applyPlan(planSweep(before, { family: 4, gone: new Set(), interfaces }));
    expect([...(await table.read()).keys()]).toEqual([...before.keys()]);
  });
});

describe("sweep", () => {
  const interfaces = { exists: () => false };

  test("leaves nothing of ours but the main chain where no attachment is left", async () => {
    const iptables = createFakeIptables();
    const log = createMemoryLog();
    const gone = new Set<string>();
    const made = await sweep(4, { node: compiledNode([one, two]), gone, interfaces, iptables, log });
    expect(made.isChanged).toBe(true);
    const emptied = await sweep(4, { gone, interfaces, iptables, log });
    expect(emptied.plan.remove).toEqual(expect.arrayContaining([one.chain, two.chain]));
    const actual = parseRuleset(await iptables.save(4));
    expect([...actual.keys()].filter((name) => name.startsWith("CNI-OUT"))).toEqual([MAIN]);
    expect((await sweep(4, { gone, interfaces, iptables, log })).isChanged).toBe(false);
    expect(log.lines).toEqual([]);
  });

  test("says which chain it cannot remove, and why", async () => {
    const iptables = createFakeIptables();
    const log = createMemoryLog();
    await sweep(4, { node: compiledNode([one]), gone: new Set(), interfaces, iptables, log });
    await iptables.restore(4, `*filter\n:OTHERS - [0:0]\n-A OTHERS -j ${one.chain}\nCOMMIT\n`);
    await sweep(4, { gone: new Set([one.chain]), interfaces, iptables, log });
    expect(log.lines).toEqual([
      {
        level: "warn",
        message: "Cannot remove chain: rules that are not ours lead to it",
        fields: { family: 4, chain: one.chain, reachedFrom: ["OTHERS"] },
      },
    ]);
  });
});
