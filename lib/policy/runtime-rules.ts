import { isInForce } from "./rule-set.ts";
import type { RuleSet } from "./rule-set.ts";
import { attachmentScopes, scopePrefix, type ScopedAttachment } from "./scope.ts";
import type { Scope } from "./scope.ts";

/** A rule set in force, with where it came from. */
export interface RuntimeRuleSet {
  /** The KV key below `<root>/rules/`, e.g. `namespace/default/job/web/allow-db`. */
  readonly key: string;
  readonly scope: Scope;
  readonly name: string;
  /** Consul's ModifyIndex of the version in force. */
  readonly modifyIndex: number;
  readonly ruleSet: RuleSet;
  /** This node has seen it expire: its accepts are no longer in `ruleSet`, and do not come back with an earlier clock. */
  readonly hasExpired?: true;
}

/** The last good rule sets of every prefix that has been read. */
export interface RuntimeRules {
  /** The node's name, as in `node/<node>/` keys. */
  readonly node: string;
  /** Sorted by key. */
  readonly ruleSets: readonly RuntimeRuleSet[];
}

/** What a question about runtime rules is asked against. */
export interface RuntimeContext {
  readonly runtimeRules: RuntimeRules;
  /** Wall clock, milliseconds since the epoch. */
  readonly nowMs: number;
}

/**
 * The rule sets that decide an attachment's packets now: in its scopes, enforced, not expired. In order of decision:
 * by scope, widest first, and by key within one. It tells a DROP from a REJECT where two sets deny the same packet.
 */
export function ruleSetsFor(
  attachment: ScopedAttachment,
  { runtimeRules, nowMs }: RuntimeContext,
): readonly RuntimeRuleSet[] {
  const deciding = Map.groupBy(
    runtimeRules.ruleSets.filter(({ ruleSet }) => decides(ruleSet, nowMs)),
    ({ scope }) => scopePrefix(scope),
  );
  return attachmentScopes(attachment, runtimeRules.node).flatMap((scope) =>
    (deciding.get(scopePrefix(scope)) ?? []).toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)),
  );
}

/** Whether a rule set of the network's own scope is in force and enforced, so that the initial rules step back. */
export function networkHasRuleSet(network: string, { runtimeRules, nowMs }: RuntimeContext): boolean {
  return runtimeRules.ruleSets.some(
    ({ scope, ruleSet }) => scope.kind === "network" && scope.network === network && decides(ruleSet, nowMs),
  );
}

function decides(ruleSet: RuleSet, nowMs: number): boolean {
  return ruleSet.mode === "enforce" && isInForce(ruleSet, nowMs);
}
