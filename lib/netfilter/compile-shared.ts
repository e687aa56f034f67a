import type { Family } from "../policy/address.ts";
import { formatRule, type Rule } from "../policy/rule.ts";
import type { Chain } from "./chain.ts";
import { compileRules } from "./compile-rules.ts";
import { ACCEPT_CHAIN, PASS_CHAIN, sharedChainName } from "./names.ts";

/** The chains of one list of rules in one family; a part without rules has no chain. */
export interface RuleChains {
  readonly deny?: Chain;
  readonly accept?: Chain;
}

/**
 * Runtime and job rules: denies are decided before static rules and accepts after them, so each list becomes two
 * chains. `identity` names them; give the KV key, or leave it out to name them after their content.
 */
export function compileRuleChains(rules: readonly Rule[], { family, identity }: RuleChainsOptions): RuleChains {
  const name = identity ?? contentOf(rules);
  const denies = compileRules(
    rules.filter((rule) => rule.action !== "ACCEPT"),
    family,
  );
  const accepts = compileRules(
    rules.filter((rule) => rule.action === "ACCEPT"),
    family,
  );
  return {
    ...(denies.length > 0 && { deny: { name: sharedChainName("deny-rules", name), rules: denies } }),
    ...(accepts.length > 0 && { accept: { name: sharedChainName("accept-rules", name), rules: accepts } }),
  };
}

export interface RuleChainsOptions {
  readonly family: Family;
  readonly identity?: string;
}

/** Static rules keep their order whatever their action: one chain, named after its content. */
export function compileStaticChain(rules: readonly Rule[], family: Family): Chain | undefined {
  const compiled = compileRules(rules, family);
  if (compiled.length === 0) return undefined;
  return { name: sharedChainName("static", contentOf(rules)), rules: compiled };
}

/** A scope's chain jumps to the chains of its rule sets. It stays while the scope has none: it costs nothing then. */
export function compileScopeChain(kind: "deny-scope" | "accept-scope", scope: ScopeChains): Chain {
  return {
    name: sharedChainName(kind, scope.prefix),
    rules: scope.chains.map(({ name }) => ({ match: {}, target: { kind: "jump", chain: name } })),
  };
}

export interface ScopeChains {
  /** As `scopePrefix` gives it. */
  readonly prefix: string;
  readonly chains: readonly Pick<Chain, "name">[];
}

/** The two chains that every other one may go to. */
export function compileMarkChains(): readonly Chain[] {
  return [
    { name: ACCEPT_CHAIN, rules: [{ match: {}, target: { kind: "mark" } }] },
    { name: PASS_CHAIN, rules: [{ match: {}, target: { kind: "unmark" } }] },
  ];
}

function contentOf(rules: readonly Rule[]): string {
  return JSON.stringify(rules.map((rule) => ({ ...formatRule(rule), comment: undefined })));
}
