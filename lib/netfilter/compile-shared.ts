import type { Family } from "../policy/address.ts";
import { formatRule, type Rule } from "../policy/rule.ts";
import type { Chain, ChainRule } from "./chain.ts";
import { compileRules, compileRuleTo } from "./compile-rules.ts";
import { auditPrefix } from "./log-prefix.ts";
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

/** The names that the chains of a list of rules have, where they have any, without compiling it. */
export function ruleChainNames(rules: readonly Rule[], identity?: string): RuleChainNames {
  const name = identity ?? contentOf(rules);
  return {
    static: sharedChainName("static", name),
    deny: sharedChainName("deny-rules", name),
    accept: sharedChainName("accept-rules", name),
  };
}

export interface RuleChainNames {
  readonly static: string;
  readonly deny: string;
  readonly accept: string;
}

export interface RuleChainsOptions {
  readonly family: Family;
  readonly identity?: string;
}

/** The chains of an audited rule set in one family. */
export interface AuditChains extends RuleChains {
  /** Where its rules send packets. */
  readonly logs: readonly Chain[];
}

/**
 * The rules of an audited set decide nothing: each sends what it matches to a chain that logs it and ends, so that the
 * packet goes on behind the set as if nothing had matched. The counter of the first rule that matches has counted it.
 *
 * A packet that another rule set has accepted, or that this one would deny, is not one that this would accept: accepts
 * leave it alone.
 */
export function compileAuditChains(rules: readonly Rule[], options: AuditOptions): AuditChains {
  const { key } = options;
  const denyLog = logChain("deny-log", key);
  const acceptLog = logChain("accept-log", key);
  const denying = rules.filter(({ action }) => action !== "ACCEPT");
  const denies = denying.flatMap((rule) => compileAudited(rule, options));
  const accepts = rules.filter(({ action }) => action === "ACCEPT").flatMap((rule) => compileAudited(rule, options));
  const denied = denying.flatMap((rule) => compileRuleTo(rule, { ...options, target: { kind: "return" } }));
  return {
    ...(denies.length > 0 && { deny: { name: sharedChainName("deny-audit", key), rules: denies } }),
    ...(accepts.length > 0 && {
      accept: { name: sharedChainName("accept-audit", key), rules: [LEAVE_ACCEPTED, ...denied, ...accepts] },
    }),
    logs: [...(denies.length > 0 ? [denyLog] : []), ...(accepts.length > 0 ? [acceptLog] : [])],
  };
}

export interface AuditOptions {
  readonly family: Family;
  readonly key: string;
}

/** The rules that an audited rule becomes. */
export function compileAudited(rule: Rule, { family, key }: AuditOptions): readonly ChainRule[] {
  const chain = sharedChainName(rule.action === "ACCEPT" ? "accept-log" : "deny-log", key);
  return compileRuleTo(rule, { family, target: { kind: "goto", chain } });
}

const LEAVE_ACCEPTED: ChainRule = { match: { isMarked: true }, target: { kind: "return" } };

/** Lines a second of one rule set, family and kind: for connections as they are opened, and for those that are open. */
const NEW_LINES_PER_SECOND = 10;
const OPEN_LINES_PER_SECOND = 1;

/**
 * Connections that are open already are told too, since enforcing would cut them, but apart: one that sends much
 * must not take the lines of those that are being opened. The limit is not one for each source and destination:
 * xt_hashlimit drops packets when its table is full (hotdrop), and nothing that audits may do that. Nor may many sets
 * keep a slow console busy: hence the level.
 */
function logChain(kind: "deny-log" | "accept-log", key: string): Chain {
  const prefix = auditPrefix(kind === "deny-log" ? "denied" : "accepted", key);
  const log = { kind: "log", prefix, level: "debug" } as const;
  return {
    name: sharedChainName(kind, key),
    rules: [
      { match: { isNew: true, limitPerSecond: NEW_LINES_PER_SECOND }, target: log },
      { match: { isNew: false, limitPerSecond: OPEN_LINES_PER_SECOND }, target: log },
    ],
  };
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
