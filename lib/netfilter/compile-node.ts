import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import { createMemo, indexScopes, present } from "./chain-memo.ts";
import type { Memo, PolicyInput, ScopeIndex } from "./chain-memo.ts";
import { chainsOfScopes, type CompiledAttachment } from "./compiled.ts";
import { compileAttachmentChain, compileDispatch } from "./compile-attachment.ts";
import { renderChain, renderRule, type RenderedChain } from "./render-rule.ts";

export interface CompiledNode {
  readonly attachments: readonly CompiledAttachment[];
  readonly chains: ReadonlyMap<string, RenderedChain>;
}

/**
 * Compiles attachments with the runtime rules that apply to them. It remembers what it rendered for as long as its
 * inputs live (an attachment, a rule set, a list of rules), so that a change costs what changed.
 */
export function createCompiler(family: Family): Compiler {
  const memo = createMemo(family);
  return {
    compileAttachment: (attachment, input) => compileOne(attachment, { memo, scopes: indexScopes(input, memo) }),
    compileNode: (attachments, input) => {
      const scopes = indexScopes(input, memo);
      const newestFirst = attachments.toSorted(byAge);
      const compiled = newestFirst.map((attachment) => compileOne(attachment, { memo, scopes }));
      const chains = new Map<string, RenderedChain>();
      const filtered = compiled.filter(({ dispatch }) => dispatch.length > 0);
      const distinctScopes = new Set(filtered.flatMap(({ scopes: own }) => own));
      for (const one of chainsOfScopes(distinctScopes)) chains.set(one.name, one);
      for (const { contentChains, chain } of filtered)
        for (const one of [...contentChains, chain]) chains.set(one.name, one);
      return { attachments: compiled, chains };
    },
  };
}

export interface Compiler {
  readonly compileAttachment: (attachment: Attachment, input: PolicyInput) => CompiledAttachment;
  /** Newest first, so that of two attachments with one address the later is found first. */
  readonly compileNode: (attachments: readonly Attachment[], input: PolicyInput) => CompiledNode;
}

interface CompileContext {
  readonly memo: Memo;
  readonly scopes: ScopeIndex;
}

function compileOne(attachment: Attachment, { memo, scopes }: CompileContext): CompiledAttachment {
  const { family } = memo;
  const { policy } = attachment;
  const own = memo.scopesOf(attachment, scopes.node).map((scope) => scopes.chainsOf(scope));
  const hasNetworkRules = scopes.hasRuleSets({ kind: "network", network: attachment.network });
  const lists = [
    memo.ruleChains(attachment.jobRules),
    ...(hasNetworkRules ? [] : [memo.ruleChains(policy.initialRules)]),
  ];
  const key = own.map(({ deny, accept }) => `${deny ? "d" : ""}${accept ? "a" : ""}`).join("/");
  const compiled = memo.attachment(attachment, { lists, key }, () => {
    const staticChain = memo.staticChain(policy.staticRules);
    const all = [...lists, ...own];
    const jumps = {
      deny: names(all.map(({ deny }) => deny)),
      static: staticChain?.name,
      accept: policy.defaultAction === "ACCEPT" ? [] : names(all.map(({ accept }) => accept)),
    };
    return {
      attachment,
      chain: renderChain(compileAttachmentChain(attachment, { family, jumps }), family),
      dispatch: compileDispatch(attachment, family).map((rule) => renderRule(rule, family)),
      contentChains: [
        ...memo.markChains,
        ...present([staticChain, ...lists.flatMap(({ deny, accept }) => [deny, accept])]),
      ],
    };
  });
  return { ...compiled, scopes: own };
}

function names(chains: readonly (RenderedChain | undefined)[]): readonly string[] {
  return present(chains).map(({ name }) => name);
}

/** Newest first; the chain's name decides between two of one instant, so that the order is always the same. */
function byAge(left: Attachment, right: Attachment): number {
  return right.sequence - left.sequence || (left.chain < right.chain ? -1 : 1);
}
