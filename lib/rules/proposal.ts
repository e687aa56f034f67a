import type { Parsed } from "../policy/issue.ts";
import { formatRuleSet, LARGEST_VALUE_BYTES, type RuleSet } from "../policy/rule-set.ts";

/** A rule set that is to be written, or only planned. */
export interface Proposal {
  readonly ruleSet: RuleSet;
  /** Its canonical JSON, as it is written to KV: indented, unless only the short form fits into a value. */
  readonly text: string;
}

/** What a key of KV holds: undefined where there is no such key. */
export type CurrentRuleSet = Parsed<RuleSet> | undefined;

/** @throws Error where its JSON is more than Consul takes */
export function toProposal(ruleSet: RuleSet): Proposal {
  const json = formatRuleSet(ruleSet);
  const indented = JSON.stringify(json, undefined, 2);
  const text = byteLength(indented) <= LARGEST_VALUE_BYTES ? indented : JSON.stringify(json);
  if (byteLength(text) <= LARGEST_VALUE_BYTES) return { ruleSet, text };
  throw new Error(
    `Cannot write rule set: it is ${byteLength(text)} bytes of JSON, expected at most ${LARGEST_VALUE_BYTES}, which is what Consul takes: split it into several`,
  );
}

/** Whether two rule sets say the same, however they are written. */
export function isSameRuleSet(one: RuleSet, other: RuleSet): boolean {
  return JSON.stringify(formatRuleSet(one)) === JSON.stringify(formatRuleSet(other));
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}
