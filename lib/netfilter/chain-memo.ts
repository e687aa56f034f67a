import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import { isInForce } from "../policy/rule-set.ts";
import type { Rule } from "../policy/rule.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { attachmentScopes, scopePrefix, watchedPrefix, type Scope } from "../policy/scope.ts";
import type { Chain } from "./chain.ts";
import {
  compileAuditChains,
  compileMarkChains,
  compileRuleChains,
  compileScopeChain,
  compileStaticChain,
  type AuditChains,
  type RuleChains,
} from "./compile-shared.ts";
import type { CompiledChains, ScopeChainSet } from "./compiled.ts";
import { renderChain, type RenderedChain } from "./render-rule.ts";

export interface PolicyInput {
  readonly runtimeRules: RuntimeRules;
  readonly nowMs: number;
}

const NO_CHAINS: ScopeChainSet = { prefix: "", members: [] };

export interface ScopeIndex {
  readonly node: string;
  readonly chainsOf: (scope: KnownScope) => ScopeChainSet;
  /** Whether a rule set of that scope is in force and enforced. */
  readonly hasRuleSets: (scope: Scope) => boolean;
}

export function indexScopes({ runtimeRules, nowMs }: PolicyInput, memo: Memo): ScopeIndex {
  const { node } = runtimeRules;
  const byScope = new Map<string, RuntimeRuleSet[]>();
  for (const runtimeRuleSet of runtimeRules.ruleSets) {
    const { ruleSet, scope } = runtimeRuleSet;
    if (!isInForce(ruleSet, nowMs)) continue;
    if (scope.kind === "node" && scope.node !== node) continue;
    const identity = scopeIdentity(scope);
    const known = byScope.get(identity);
    if (known) known.push(runtimeRuleSet);
    else byScope.set(identity, [runtimeRuleSet]);
  }
  return {
    node,
    chainsOf: (known) => memo.scopeChains(known, byScope.get(known.identity) ?? []),
    hasRuleSets: (scope) => (byScope.get(scopeIdentity(scope)) ?? []).some(isEnforced),
  };
}

function isEnforced({ ruleSet }: RuntimeRuleSet): boolean {
  return ruleSet.mode === "enforce";
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

export interface Memo {
  readonly family: Family;
  readonly markChains: readonly RenderedChain[];
  readonly staticChain: (rules: readonly Rule[]) => RenderedChain | undefined;
  readonly ruleChains: (rules: readonly Rule[]) => RenderedRuleChains;
  readonly scopesOf: (attachment: Attachment, node: string) => readonly KnownScope[];
  readonly scopeChains: (scope: KnownScope, ruleSets: readonly RuntimeRuleSet[]) => ScopeChainSet;
  /** What was rendered of an attachment last time, if from these very lists of rules and with this key. */
  readonly attachment: (attachment: Attachment, parts: AttachmentParts, render: () => CompiledChains) => CompiledChains;
}

interface AttachmentParts {
  readonly lists: readonly RenderedRuleChains[];
  /** Which chains of its scopes exist; their names are always the same. */
  readonly key: string;
}

/** A scope with the identity that its chains are named after. */
export interface KnownScope {
  readonly scope: Scope;
  readonly identity: string;
}

export interface RenderedRuleChains {
  readonly deny?: RenderedChain;
  readonly accept?: RenderedChain;
  /** Chains that audited rules lead to. */
  readonly logs?: readonly RenderedChain[];
}

export function createMemo(family: Family): Memo {
  const render = (chain: Chain): RenderedChain => renderChain(chain, family);
  const statics = new WeakMap<readonly Rule[], { readonly chain: RenderedChain | undefined }>();
  const lists = new WeakMap<readonly Rule[], RenderedRuleChains>();
  const sets = new WeakMap<RuntimeRuleSet, RenderedRuleChains>();
  const scopes = new Map<string, { readonly ruleSets: readonly RuntimeRuleSet[]; readonly chains: ScopeChainSet }>();
  const attachmentScopeLists = new WeakMap<Attachment, ScopeList>();
  const attachments = new WeakMap<Attachment, AttachmentParts & { readonly chains: CompiledChains }>();
  const renderLists = ({ deny, accept, logs }: RuleChains & Partial<AuditChains>): RenderedRuleChains => ({
    ...(deny && { deny: render(deny) }),
    ...(accept && { accept: render(accept) }),
    ...(logs && { logs: logs.map(render) }),
  });
  const setChains = (runtimeRuleSet: RuntimeRuleSet): RenderedRuleChains =>
    remember(sets, runtimeRuleSet, () => {
      const { key, ruleSet } = runtimeRuleSet;
      return renderLists(
        isEnforced(runtimeRuleSet)
          ? compileRuleChains(ruleSet.rules, { family, identity: key })
          : compileAuditChains(ruleSet.rules, { family, key }),
      );
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
    scopesOf: (attachment, node) => {
      const known = attachmentScopeLists.get(attachment);
      if (known?.node === node) return known.scopes;
      const list = attachmentScopes(attachment, node).map((scope) => ({ scope, identity: scopeIdentity(scope) }));
      attachmentScopeLists.set(attachment, { node, scopes: list });
      return list;
    },
    scopeChains: ({ scope, identity }, ruleSets) => {
      if (ruleSets.length === 0 && !isWide(scope)) {
        scopes.delete(identity);
        return NO_CHAINS;
      }
      const known = scopes.get(identity);
      if (known && isSameList(known.ruleSets, ruleSets)) return known.chains;
      const chains = renderScope(scope, ruleSets.map(setChains), render);
      scopes.set(identity, { ruleSets, chains });
      return chains;
    },
    attachment: (attachment, { lists: parts, key }, renderOwn) => {
      const known = attachments.get(attachment);
      if (known?.key === key && isSameList(known.lists, parts)) return known.chains;
      const chains = renderOwn();
      attachments.set(attachment, { lists: parts, key, chains });
      return chains;
    },
  };
}

interface ScopeList {
  readonly node: string;
  readonly scopes: readonly KnownScope[];
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
    prefix: watchedPrefix(scope),
    ...(hasDeny && { deny: render(compileScopeChain("deny-scope", { prefix, chains: denies })) }),
    ...(hasAccept && { accept: render(compileScopeChain("accept-scope", { prefix, chains: accepts })) }),
    members: [...members.flatMap(({ logs = [] }) => logs), ...denies, ...accepts],
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

export function present<T>(items: readonly (T | undefined)[]): readonly T[] {
  return items.filter((item) => item !== undefined);
}
