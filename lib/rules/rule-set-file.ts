import { locateIssues } from "../policy/locate.ts";
import { parseRuleSet } from "../policy/parse-rule-set.ts";
import type { RuleSet } from "../policy/rule-set.ts";
import { ProposalError } from "./proposal-error.ts";

/** @throws ProposalError that says where in the file each issue is */
export function parseRuleSetFile(bytes: Uint8Array, { source }: { readonly source: string }): RuleSet {
  const parsed = parseRuleSet(bytes);
  if (parsed.ok) return parsed.value;
  throw new ProposalError(locateIssues(bytes, parsed.issues).map((issue) => ({ source, ...issue })));
}
