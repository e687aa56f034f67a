import { createCompiler } from "../netfilter/compile-node.ts";
import { findMainChains } from "../netfilter/main-chain.ts";
import type { CompiledAttachment } from "../netfilter/compiled.ts";
import type { ActualRuleset } from "../netfilter/parse-ruleset.ts";
import { findUnknownChains, planNode } from "../netfilter/plan.ts";
import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import type { RuntimeRules } from "../policy/runtime-rules.ts";

export interface CompareOptions {
  readonly family: Family;
  readonly actual: ActualRuleset;
  readonly attachments: readonly Attachment[];
  readonly unreadable: ReadonlySet<string>;
  readonly runtimeRules: RuntimeRules | undefined;
  readonly nowMs: number;
}

/** How one family's table differs from what this node's records say. */
export interface FamilyComparison {
  readonly family: Family;
  readonly mainChains: readonly string[];
  /** Chains from which a main chain is not reached, or not before what lets packets through. */
  readonly missedFrom: readonly string[];
  /** Attachments' chains behind which nothing is filtered. */
  readonly unguarded: ReadonlyMap<string, Unguarded>;
  /** Chains that are there, and differ. */
  readonly altered: readonly string[];
  /** Chains of ours that nothing on record needs. */
  readonly unexplained: readonly string[];
}

type Unguarded = "missing" | "empty" | "not reached";

/** What a pass of the watcher would do tells what is wrong: nothing is judged here by other rules than there. */
export function compareFamily(options: CompareOptions): FamilyComparison {
  const { family, actual, attachments, unreadable, runtimeRules, nowMs } = options;
  const input = { runtimeRules: runtimeRules ?? { node: "", ruleSets: [] }, nowMs };
  const node = createCompiler(family).compileNode(attachments, input);
  // Without the rules from KV every runtime deny would look like a leftover.
  const isSettled = runtimeRules !== undefined;
  const plan = planNode(node, { actual, family, keep: unreadable, isSettled });
  const mainChains = findMainChains(attachments, { actual, family }).map(({ name }) => name);
  const unguarded = new Map<string, Unguarded>();
  for (const compiled of node.attachments) {
    const state = unguardedState(compiled, actual);
    if (state !== undefined) unguarded.set(compiled.chain.name, state);
  }
  const unknownChains = findUnknownChains(node, actual).map(({ chain }) => chain);
  const unexplained = [...new Set([...unknownChains, ...plan.remove])].filter((name) => !unreadable.has(name));
  // A main chain that leads to fewer chains than it should, or to more, is told by those chains.
  const told = new Set([...unguarded.keys(), ...(unguarded.size + unexplained.length > 0 ? mainChains : [])]);
  return {
    family,
    mainChains,
    missedFrom: [...new Set(plan.anchors.flatMap((line) => /^-[DI] (\S+)/.exec(line)?.[1] ?? []))],
    unguarded,
    altered: plan.write.map(({ name }) => name).filter((name) => !told.has(name)),
    unexplained,
  };
}

function unguardedState(compiled: CompiledAttachment, actual: ActualRuleset): Unguarded | undefined {
  const { attachment, chain, dispatch } = compiled;
  if (dispatch.length === 0) return undefined;
  const rules = actual.get(chain.name);
  if (!rules) return "missing";
  if (rules.length === 0) return "empty";
  const reached = new Set((actual.get(attachment.policy.mainChain) ?? []).map(({ hash }) => hash));
  return dispatch.every(({ hash }) => reached.has(hash)) ? undefined : "not reached";
}
