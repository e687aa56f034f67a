import { createCompiler, type CompiledNode } from "../../../lib/netfilter/compile-node.ts";
import { parseRuleset, type ActualRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import type { Plan } from "../../../lib/netfilter/plan.ts";
import { renderPlan } from "../../../lib/netfilter/render-plan.ts";
import type { Family } from "../../../lib/policy/address.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import type { RuntimeRuleSet } from "../../../lib/policy/runtime-rules.ts";
import { createFakeIptables } from "../../fakes/fake-iptables.ts";

/** What the firewall plugin makes, and one accept of each of its kinds. */
export const FIREWALL_PLUGIN = [
  ":CNI-ADMIN - [0:0]",
  ":CNI-FORWARD - [0:0]",
  '-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD',
  '-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN',
  "-A CNI-FORWARD -d 10.88.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
  "-A CNI-FORWARD -s 10.88.0.2/32 -j ACCEPT",
];

/** A filter table as the kernel would hold it. */
export interface Table {
  /** Changes it as another program would: throws what the kernel refuses. */
  apply(...lines: readonly string[]): Promise<void>;
  applyPlan(plan: Plan): Promise<void>;
  read(): Promise<ActualRuleset>;
}

export async function tableOf(...lines: readonly string[]): Promise<Table> {
  return tableIn(4, ...lines);
}

export async function tableIn(family: Family, ...lines: readonly string[]): Promise<Table> {
  const iptables = createFakeIptables();
  const table: Table = {
    async apply(...changes) {
      await iptables.restore(family, ["*filter", ...changes, "COMMIT", ""].join("\n"));
    },
    async applyPlan(plan) {
      await iptables.restore(family, renderPlan(plan));
    },
    read: async () => parseRuleset(await iptables.save(family)),
  };
  await table.apply(...lines);
  return table;
}

export function compiledNode(
  attachments: readonly Attachment[],
  { ruleSets = [], family = 4 }: { readonly ruleSets?: readonly RuntimeRuleSet[]; readonly family?: Family } = {},
): CompiledNode {
  const input = { runtimeRules: { node: "n1", ruleSets }, nowMs: 0 };
  return createCompiler(family).compileNode(attachments, input);
}

/** The targets of a chain's rules; undefined where the chain is not there. */
export function targetsOf(actual: ActualRuleset, chain: string): readonly (string | undefined)[] | undefined {
  return actual.get(chain)?.map(({ target }) => target);
}
