import { parseRuleSetJson, type RuleSet } from "../policy/rule-set.ts";
import { ProposalError } from "./proposal-error.ts";

/** One rule, each key of its JSON a flag. */
export interface RuleFlags {
  readonly host?: readonly string[] | undefined;
  readonly proto?: string | undefined;
  readonly port?: string | undefined;
  readonly action?: string | undefined;
  readonly comment?: string | undefined;
}

/** Undefined where there is no such flag. @throws ProposalError that names each flag that is wrong or missing */
export function parseRuleFlags({ host = [], proto, port, action, comment }: RuleFlags): RuleSet | undefined {
  const rule = Object.fromEntries(
    Object.entries({ host: host.length > 1 ? host : host[0], proto, port, action, comment }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  if (Object.keys(rule).length === 0) return undefined;
  const parsed = parseRuleSetJson({ rules: [rule] });
  if (parsed.ok) return parsed.value;
  throw new ProposalError(parsed.issues.map(({ path, message }) => ({ source: flagOf(path), message })));
}

/** `$.rules[0].host[1]` is about `--host`. */
function flagOf(path: string): string {
  return `--${/^\$\.rules\[0\]\.(\w+)/.exec(path)?.[1] ?? "host"}`;
}
