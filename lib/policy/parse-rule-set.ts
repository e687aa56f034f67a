import { firstIssues } from "./issue.ts";
import type { Parsed } from "./issue.ts";
import { parseJsonBytes } from "./json-bytes.ts";
import { LARGEST_VALUE_BYTES, parseRuleSetJson } from "./rule-set.ts";
import type { RuleSet } from "./rule-set.ts";

/**
 * Parses a KV value: strict UTF-8 JSON of at most 512 KiB that is one rule, a list of rules, or an object with
 * `rules`. A leading byte order mark, which Windows editors write, is left out. Never throws; at most 21 issues,
 * of which the last counts those left out.
 *
 * Apart from `parseRuleSetJson`, so that the plugin, which reads no KV value, does not load what reads JSON's text.
 */
export function parseRuleSet(value: Uint8Array): Parsed<RuleSet> {
  const json = parseJsonBytes(value, { largestBytes: LARGEST_VALUE_BYTES });
  if (json.ok) return parseRuleSetJson(json.value);
  const inside = "ambiguous" in json ? parseRuleSetJson(json.ambiguous) : undefined;
  const others = inside === undefined || inside.ok ? [] : inside.issues;
  return { ok: false, issues: firstIssues([...json.issues, ...others]) };
}
