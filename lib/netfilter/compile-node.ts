import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import { attachmentScopes } from "../policy/scope.ts";
import { createMemo, indexScopes, present } from "./chain-memo.ts";
import type { CompiledChains, Memo, PolicyInput, ScopeChainSet, ScopeIndex } from "./chain-memo.ts";
import { compileAttachmentChain, compileDispatch } from "./compile-attachment.ts";
import { renderChain, renderRule, type RenderedChain } from "./render-rule.ts";

/** What one attachment needs in one family. */
export interface CompiledAttachment extends CompiledChains {
  /** Chains that are a function of their name: whoever finds one missing or altered may put it right. */
  readonly contentChains: readonly RenderedChain[];
  /** Chains that hold what KV says at the moment: the plugin makes a missing one, and leaves an existing one alone. */
  readonly runtimeChains: readonly RenderedChain[];
  /** The same by scope. */
  readonly scopes: readonly ScopeChainSet[];
}

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
      for (const { dispatch, chain, contentChains, runtimeChains } of compiled) {
        if (dispatch.length === 0) continue;
        for (const one of [...contentChains, ...runtimeChains, chain]) chains.set(one.name, one);
      }
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
  const own = attachmentScopes(attachment, scopes.node).map((scope) => scopes.chainsOf(scope));
  const staticChain = memo.staticChain(policy.staticRules);
  const lists = [
    memo.ruleChains(attachment.jobRules),
    ...(scopes.hasRuleSets({ kind: "network", network: attachment.network })
      ? []
      : [memo.ruleChains(policy.initialRules)]),
  ];
  const jumps = {
    deny: names([...lists.map(({ deny }) => deny), ...own.map(({ deny }) => deny)]),
    static: staticChain?.name,
    accept:
      policy.defaultAction === "ACCEPT"
        ? []
        : names([...lists.map(({ accept }) => accept), ...own.map(({ accept }) => accept)]),
  };
  const compiled = memo.attachment(attachment, {
    key: JSON.stringify(jumps),
    compile: () => ({
      attachment,
      chain: renderChain(compileAttachmentChain(attachment, { family, jumps }), family),
      dispatch: compileDispatch(attachment, family).map((rule) => renderRule(rule, family)),
    }),
  });
  return {
    ...compiled,
    contentChains: [
      ...memo.markChains,
      ...present([staticChain, ...lists.flatMap(({ deny, accept }) => [deny, accept])]),
    ],
    scopes: own,
    runtimeChains: own.flatMap(({ deny, accept, members }) => [...members, ...present([deny, accept])]),
  };
}

function names(chains: readonly (RenderedChain | undefined)[]): readonly string[] {
  return present(chains).map(({ name }) => name);
}

/** Newest first; the chain's name decides between two of one instant, so that the order is always the same. */
function byAge(left: Attachment, right: Attachment): number {
  return right.sequence - left.sequence || (left.chain < right.chain ? -1 : 1);
}
