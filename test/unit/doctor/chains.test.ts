import { beforeEach, describe, expect, test } from "vitest";
import { checkChains, type ChainFacts } from "../../../lib/doctor/chains.ts";
import { planNode } from "../../../lib/netfilter/plan.ts";
import type { Family } from "../../../lib/policy/address.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { containing } from "../../support/containing.ts";
import { compiledNode, FIREWALL_PLUGIN, tableIn, type Table } from "../netfilter/fixtures.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";
import { states, troubles } from "./checks.ts";

const families: readonly Family[] = [4, 6];
const attachment = attachmentOf();
const runtimeRules = runtimeRulesOf({ "global/a": { rules: [rule({ host: "10.9.0.1", action: "DROP" })] } });
const names = ["main chain", "attachment chains", "chain contents", "leftover chains"];

/** A good node's tables. */
let tables: Readonly<Record<Family, Table>>;

beforeEach(async () => {
  tables = { 4: await tableIn(4, ...FIREWALL_PLUGIN), 6: await tableIn(6) };
  for (const family of families) {
    const node = compiledNode([attachment], { ruleSets: runtimeRules.ruleSets, family });
    const actual = await tables[family].read();
    await tables[family].applyPlan(planNode(node, { actual, family, keep: new Set(), isSettled: true }));
  }
});

async function facts(changes: Partial<ChainFacts> = {}): Promise<ChainFacts> {
  return {
    attachments: [attachment],
    unreadable: new Set(),
    kernel: { 4: await tables[4].read(), 6: await tables[6].read() },
    runtimeRules,
    nowMs: 0,
    ...changes,
  };
}

describe("the chains of a node", () => {
  test("as recorded are good", async () => {
    expect(states(checkChains(await facts()))).toEqual(names.map((name) => `ok ${name}`));
  });

  test("are good where there are none and nothing is attached", async () => {
    const empty = { 4: new Map([["FORWARD", []]]), 6: "absent" } as const;
    expect(troubles(checkChains(await facts({ attachments: [], kernel: empty })))).toEqual([]);
  });

  test("are reached too late where an accept comes before the main chain", async () => {
    await tables[6].apply("-I FORWARD 1 -s fd00:88::2/128 -j ACCEPT");
    expect(troubles(checkChains(await facts()))).toMatchObject([
      {
        name: "main chain",
        state: "problem",
        message: containing("CNI-OUTBOUND is not where it belongs in FORWARD (IPv6)"),
      },
    ]);
  });

  test("guard nothing once they are flushed or no rule leads to them", async () => {
    await tables[4].apply(`:${attachment.chain} - [0:0]`);
    expect(troubles(checkChains(await facts()))).toMatchObject([
      {
        name: "attachment chains",
        state: "problem",
        message: `8623ac7a (default/web/app): ${attachment.chain} is empty in IPv4: not filtered`,
      },
    ]);
    await tables[6].apply(":CNI-OUTBOUND - [0:0]");
    expect(troubles(checkChains(await facts()))).toMatchObject([
      { name: "attachment chains", message: containing("empty in IPv4, not reached in IPv6") },
    ]);
  });

  test("differ where somebody put a rule into a shared one", async () => {
    const shared = [...(await tables[4].read()).keys()].find((name) => name.startsWith("CNI-OUTDR-")) ?? "";
    await tables[4].apply(`-I ${shared} 1 -j RETURN`);
    expect(troubles(checkChains(await facts()))).toMatchObject([
      { name: "chain contents", state: "problem", message: `1 chain is not as recorded: ${shared}` },
    ]);
  });

  test("are left over where no record explains them", async () => {
    const checks = troubles(checkChains(await facts({ attachments: [] })));
    expect(states(checks)).toEqual(["warning leftover chains"]);
    expect(checks[0]?.message).toContain(attachment.chain);
  });

  test("of a record that cannot be read are neither left over nor altered, nor what they need", async () => {
    const unreadable = new Set([attachment.chain]);
    const checks = troubles(checkChains(await facts({ attachments: [], unreadable })));
    expect(checks.map(({ message }) => message)).toEqual(["no record explains 1 chain of ours: CNI-OUT-ACCEPT"]);
  });

  test("that hold rules of KV are not left over while those rules are not known", async () => {
    expect(troubles(checkChains(await facts({ runtimeRules: undefined })))).toEqual([]);
  });

  test("are unknown where records or tables cannot be read", async () => {
    const expected = names.map((name) => `unknown ${name}`);
    expect(states(checkChains(await facts({ attachments: { unread: "needs root" } })))).toEqual(expected);
    const kernel = { 4: { unread: "needs root" }, 6: "absent" } as const;
    const checks = checkChains(await facts({ kernel }));
    expect(states(checks)).toEqual(expected);
    expect(checks[0]?.message).toBe("whether the main chain is reached first: needs root");
  });
});
