import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";

/**
 * What a watcher starts with before KV is read. A cache of another node's watcher, as where a disk was copied, has that
 * node's rules.
 */
export function startingRules({ node, cached }: StartingRulesOptions): RuntimeRules {
  if (!cached || cached.node === node) return cached ?? { node, ruleSets: [] };
  return { node, ruleSets: cached.ruleSets.filter(({ scope }) => scope.kind !== "node") };
}

export interface StartingRulesOptions {
  readonly node: string;
  readonly cached: RuntimeRules | undefined;
}
