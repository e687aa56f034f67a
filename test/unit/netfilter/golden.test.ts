/**
 * The exact text that goes to the kernel for a few nodes, in test/golden: each file is input for iptables-restore
 * --noflush, and says in comments what it was made of. `UPDATE_GOLDEN=1` writes them anew. A change in a rule's
 * text means that FORMAT in lib/netfilter/render-rule.ts has to be raised, or an upgrade fails the CHECK of every
 * allocation that runs through it; the order in which chains are written means nothing.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createCompiler, type CompiledNode } from "../../../lib/netfilter/compile-node.ts";
import { planDetachment, planNode, type Plan } from "../../../lib/netfilter/plan.ts";
import { renderPlan } from "../../../lib/netfilter/render-plan.ts";
import type { Family } from "../../../lib/policy/address.ts";
import { formatAttachment } from "../../../lib/policy/attachment-record.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import { formatRuleSet } from "../../../lib/policy/rule-set.ts";
import type { RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";
import { exampleNode, rulesOf } from "../../support/example-node.ts";
import { FIREWALL_PLUGIN, tableIn, type Table } from "./fixtures.ts";

const { attachments, input } = exampleNode;
const { ruleSets } = input.runtimeRules;
const [first] = attachments;
const changed = ruleSets.map((set) =>
  set.key === "global/no-metadata"
    ? {
        ...set,
        ruleSet: { ...set.ruleSet, rules: rulesOf({ host: ["169.254.0.0/16", "fe80::/10"], action: "REJECT" }) },
      }
    : set,
);
const audited = ruleSets.map((set): RuntimeRuleSet => {
  const isIt = set.key === "namespace/default/job/batch/fetch";
  return isIt ? { ...set, ruleSet: { ...set.ruleSet, mode: "audit" } } : set;
});

interface Golden {
  readonly about: string;
  readonly table: readonly string[];
  readonly before?: State;
  readonly after: State | "first attachment detached";
}

interface State {
  readonly attachments: readonly Attachment[];
  readonly ruleSets: readonly RuntimeRuleSet[];
}

test.each<[string, Golden]>([
  [
    "first-allocation",
    {
      about: "The first allocation of a node, on a bridge, without runtime rules; no firewall plugin.",
      table: [],
      after: { attachments: attachments.slice(0, 1), ruleSets: [] },
    },
  ],
  [
    "three-allocations",
    {
      about: "Three allocations with rule sets of several scopes, beside the firewall plugin, from nothing.",
      table: FIREWALL_PLUGIN,
      after: { attachments, ruleSets },
    },
  ],
  [
    "changed-rule-set",
    {
      about: "What a change of one rule set, global/no-metadata, costs on a node with three allocations.",
      table: FIREWALL_PLUGIN,
      before: { attachments, ruleSets },
      after: { attachments, ruleSets: changed },
    },
  ],
  [
    "audited-rule-set",
    {
      about: "What it takes to audit one rule set, namespace/default/job/batch/fetch, that was enforced.",
      table: FIREWALL_PLUGIN,
      before: { attachments, ruleSets },
      after: { attachments, ruleSets: audited },
    },
  ],
  [
    "detached-allocation",
    {
      about: "What the DEL of the first of three allocations takes away.",
      table: FIREWALL_PLUGIN,
      before: { attachments, ruleSets },
      after: "first attachment detached",
    },
  ],
])("what goes to the kernel is as in test/golden/%s", async (name, golden) => {
  for (const family of [4, 6] as const) {
    const table = await tableIn(family, ...golden.table.filter((line) => family === 4 || !line.includes("10.88.")));
    if (golden.before) await table.applyPlan(await planState(golden.before, { table, family }));
    const plan =
      golden.after === "first attachment detached"
        ? planDetachment(first?.chain ?? "", { actual: await table.read() })
        : await planState(golden.after, { table, family });
    await table.applyPlan(plan);
    const file = join(import.meta.dirname, `../../golden/${name}.ipv${family}.txt`);
    const text = `${describeInput(golden)}${renderPlan(plan)}`;
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, "utf8"));
  }
});

async function planState(
  state: State,
  { table, family }: { readonly table: Table; readonly family: Family },
): Promise<Plan> {
  return planNode(compile(state, family), { actual: await table.read(), family, keep: new Set(), isSettled: true });
}

function compile(state: State, family: Family): CompiledNode {
  const runtimeRules = { ...input.runtimeRules, ruleSets: state.ruleSets };
  return createCompiler(family).compileNode(state.attachments, { ...input, runtimeRules });
}

/** As comments, which iptables-restore passes over. */
function describeInput({ about, before, after }: Golden): string {
  const state = after === "first attachment detached" ? before : after;
  const lines = [
    about,
    "",
    ...(state?.attachments.flatMap((attachment) => withoutDigest(formatAttachment(attachment)).split("\n")) ?? []),
    "",
    ...(state?.ruleSets.map(({ key, ruleSet }) => `${key}: ${JSON.stringify(formatRuleSet(ruleSet))}`) ?? []),
  ];
  return lines.map((line) => `# ${line}`.trimEnd()).join("\n") + "\n";
}

/** Of the record, which says nothing to a reader. */
function withoutDigest(record: string): string {
  return record.replace(/,\n {2}"digest": ".*"/, "").trim();
}
