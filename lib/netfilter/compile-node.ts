import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import { isInForce } from "../policy/rule-set.ts";
import type { Rule } from "../policy/rule.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { attachmentScopes, scopePrefix, type Scope } from "../policy/scope.ts";
import type { Chain } from "./chain.ts";
import { compileAttachmentChain, compileDispatch } from "./compile-attachment.ts";
import {
  compileMarkChains,
  compileRuleChains,
  compileScopeChain,
  compileStaticChain,
  type RuleChains,
} from "./compile-shared.ts";
import { renderChain, renderRule, type RenderedChain, type RenderedRule } from "./render-rule.ts";

/** What one attachment needs in one family. */
export interface CompiledAttachment {
  readonly attachment: Attachment;
  readonly chain: RenderedChain;
  /** Rules of the main chain, in order; empty: nothing of this family can come from it, and there is no chain. */
  readonly dispatch: readonly RenderedRule[];
  /** Chains that are a function of their name: whoever finds one missing or altered may put it right. */
  readonly contentChains: readonly RenderedChain[];
  /** Chains that hold what KV says at the moment: the plugin makes a missing one, and leaves an existing one alone. */
  readonly runtimeChains: readonly RenderedChain[];
}

export interface CompiledNode {
  readonly attachments: readonly CompiledAttachment[];
  readonly chains: ReadonlyMap<string, RenderedChain>;
  /** Names of those that are a function of their name. */
  readonly contentChains: ReadonlySet<string>;
}

export interface PolicyInput {
  readonly runtimeRules: RuntimeRules;
  readonly nowMs: number;
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
      const contentNames = new Set<string>();
      for (const { dispatch, chain, contentChains, runtimeChains } of compiled) {
        if (dispatch.length === 0) continue;
        for (const one of [...contentChains, ...runtimeChains, chain]) chains.set(one.name, one);
        for (const { name } of contentChains) contentNames.add(name);
      }
      return { attachments: compiled, chains, contentChains: contentNames };
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
    ...(scopes.hasRuleSets({ kind: "network", network: attachment.network }) ? [] : [memo.ruleChains(policy.initialRules)]),
  ];
  const jumps = {
    deny: names([...lists.map(({ deny }) => deny), ...own.map(({ deny }) => deny)]),
    static: staticChain?.name,
    accept: policy.defaultAction === "ACCEPT" ? [] : names([...lists.map(({ accept }) => accept), ...own.map(({ accept }) => accept)]),
  };
  return memo.attachment(attachment, {
    key: JSON.stringify(jumps),
    compile: () => ({
      attachment,
      chain: renderChain(compileAttachmentChain(attachment, { family, jumps }), family),
      dispatch: compileDispatch(attachment, family).map((rule) => renderRule(rule, family)),
    }),
    contentChains: [...memo.markChains, ...present([staticChain, ...lists.flatMap(({ deny, accept }) => [deny, accept])])],
    runtimeChains: own.flatMap(({ deny, accept, members }) => [...members, ...present([deny, accept])]),
  });
}

/** A scope's chains as attachments go through them. */
interface ScopeChainSet {
  readonly deny?: RenderedChain;
  readonly accept?: RenderedChain;
  readonly members: readonly RenderedChain[];
}

const NO_CHAINS: ScopeChainSet = { members: [] };

interface ScopeIndex {
  readonly node: string;
  readonly chainsOf: (scope: Scope) => ScopeChainSet;
  readonly hasRuleSets: (scope: Scope) => boolean;
}

function indexScopes({ runtimeRules, nowMs }: PolicyInput, memo: Memo): ScopeIndex {
  const byScope = new Map<string, RuntimeRuleSet[]>();
  for (const runtimeRuleSet of runtimeRules.ruleSets) {
    const { ruleSet, scope } = runtimeRuleSet;
    if (ruleSet.mode !== "enforce" || !isInForce(ruleSet, nowMs)) continue;
    const identity = scopeIdentity(scope);
    const known = byScope.get(identity);
    if (known) known.push(runtimeRuleSet);
    else byScope.set(identity, [runtimeRuleSet]);
  }
  return {
    node: runtimeRules.node,
    chainsOf: (scope) => memo.scopeChains(scope, byScope.get(scopeIdentity(scope)) ?? []),
    hasRuleSets: (scope) => byScope.has(scopeIdentity(scope)),
  };
}

/** The node's own scope is one on a node, and the plugin need not know the node's name to find its chain. */
function scopeIdentity(scope: Scope): string {
  return scope.kind === "node" ? "node/" : scopePrefix(scope);
}

/**
 * Scopes that many attachments share have their chains from the first attachment on, so that a first rule set costs
 * no more than the next. Those of a job, a group or an allocation are made with their first rule set.
 */
function isWide(scope: Scope): boolean {
  return scope.kind === "global" || scope.kind === "node" || scope.kind === "network" || scope.kind === "namespace";
}

interface AttachmentEntry {
  readonly key: string;
  readonly compile: () => Pick<CompiledAttachment, "attachment" | "chain" | "dispatch">;
  readonly contentChains: readonly RenderedChain[];
  readonly runtimeChains: readonly RenderedChain[];
}

interface Memo {
  readonly family: Family;
  readonly markChains: readonly RenderedChain[];
  readonly staticChain: (rules: readonly Rule[]) => RenderedChain | undefined;
  readonly ruleChains: (rules: readonly Rule[]) => RenderedRuleChains;
  readonly scopeChains: (scope: Scope, ruleSets: readonly RuntimeRuleSet[]) => ScopeChainSet;
  readonly attachment: (attachment: Attachment, entry: AttachmentEntry) => CompiledAttachment;
}

interface RenderedRuleChains {
  readonly deny?: RenderedChain;
  readonly accept?: RenderedChain;
}

function createMemo(family: Family): Memo {
  const render = (chain: Chain): RenderedChain => renderChain(chain, family);
  const statics = new WeakMap<readonly Rule[], { readonly chain: RenderedChain | undefined }>();
  const lists = new WeakMap<readonly Rule[], RenderedRuleChains>();
  const sets = new WeakMap<RuntimeRuleSet, RenderedRuleChains>();
  const scopes = new Map<string, { readonly ruleSets: readonly RuntimeRuleSet[]; readonly chains: ScopeChainSet }>();
  const attachments = new WeakMap<Attachment, { readonly key: string; readonly compiled: ReturnType<AttachmentEntry["compile"]> }>();
  const renderLists = ({ deny, accept }: RuleChains): RenderedRuleChains => ({
    ...(deny && { deny: render(deny) }),
    ...(accept && { accept: render(accept) }),
  });
  const setChains = (runtimeRuleSet: RuntimeRuleSet): RenderedRuleChains =>
    remember(sets, runtimeRuleSet, () => {
      const { key: identity, ruleSet } = runtimeRuleSet;
      return renderLists(compileRuleChains(ruleSet.rules, { family, identity }));
    });
  return {
    family,
    markChains: compileMarkChains().map(render),
    staticChain: (rules) =>
      remember(statics, rules, () => {
        const chain = compileStaticChain(rules, family);
        return { chain: chain && render(chain) };
      }).chain,
    ruleChains: (rules) => remember(lists, rules, () => renderLists(compileRuleChains(rules, { family }))),
    scopeChains: (scope, ruleSets) => {
      const identity = scopeIdentity(scope);
      if (ruleSets.length === 0 && !isWide(scope)) return NO_CHAINS;
      const known = scopes.get(identity);
      if (known && isSameList(known.ruleSets, ruleSets)) return known.chains;
      const chains = renderScope(scope, ruleSets.map(setChains), render);
      scopes.set(identity, { ruleSets, chains });
      return chains;
    },
    attachment: (attachment, { key, compile, ...chains }) => {
      const known = attachments.get(attachment);
      const compiled = known?.key === key ? known.compiled : compile();
      if (known?.key !== key) attachments.set(attachment, { key, compiled });
      return { ...compiled, ...chains };
    },
  };
}

function renderScope(
  scope: Scope,
  members: readonly RenderedRuleChains[],
  render: (chain: Chain) => RenderedChain,
): ScopeChainSet {
  const prefix = scopeIdentity(scope);
  const denies = present(members.map(({ deny }) => deny));
  const accepts = present(members.map(({ accept }) => accept));
  const hasDeny = isWide(scope) || denies.length > 0;
  const hasAccept = isWide(scope) || accepts.length > 0;
  return {
    ...(hasDeny && { deny: render(compileScopeChain("deny-scope", { prefix, chains: denies })) }),
    ...(hasAccept && { accept: render(compileScopeChain("accept-scope", { prefix, chains: accepts })) }),
    members: [...denies, ...accepts],
  };
}

function remember<Key extends object, Value>(memo: WeakMap<Key, Value>, key: Key, make: () => Value): Value {
  const known = memo.get(key);
  if (known !== undefined) return known;
  const made = make();
  memo.set(key, made);
  return made;
}

function isSameList<T>(left: readonly T[], right: readonly T[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}

function present<T>(items: readonly (T | undefined)[]): readonly T[] {
  return items.filter((item) => item !== undefined);
}

function names(chains: readonly (RenderedChain | undefined)[]): readonly string[] {
  return present(chains).map(({ name }) => name);
}

/** Newest first; the chain's name decides between two of one instant, so that the order is always the same. */
function byAge(left: Attachment, right: Attachment): number {
  return right.sequence - left.sequence || (left.chain < right.chain ? -1 : 1);
}
