import type { StatusQuestion } from "../lib/host/read-cluster.ts";
import { rulesRoot } from "../lib/policy/roots.ts";
import { parseKey, scopePrefix } from "../lib/policy/scope.ts";
import { show } from "../lib/policy/show.ts";
import { readPlace } from "./rule-set-entry.ts";
import { readScope, type ScopeFlags } from "./scope-options.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Nothing: everything. Flags alone: everything in that scope. A word: one rule set, by its name and flags or by its
 * whole key; or, where it ends in a slash, a scope as keys have it.
 *
 * @throws UsageError
 */
export function readStatusQuestion(
  word: string | undefined,
  { prefix, ...flags }: ScopeFlags & { readonly prefix: string },
): StatusQuestion {
  const scope = readScope(flags);
  if (word === undefined) return { prefix, start: scope ? scopePrefix(scope) : "" };
  if (word.endsWith("/") && !scope) return { prefix, start: readStart(word, prefix) };
  const { key } = readPlace(word, { prefix, ...flags });
  return { prefix, key, start: key };
}

function readStart(word: string, prefix: string): string {
  const root = rulesRoot(prefix);
  const start = word.startsWith(root) ? word.slice(root.length) : word;
  // A scope is what a name after it makes a key of.
  const parsed = parseKey(`${start}x`);
  if (start === "" || parsed.kind === "rule-set") return start;
  const reason = parsed.kind === "unknown" ? parsed.reason : "it is empty";
  throw new UsageError(`Cannot read scope: ${show(word)} is none: ${reason}`);
}
