import { nearestWord } from "../policy/nearest-word.ts";
import { attachmentScopes, scopePrefix, type Scope } from "../policy/scope.ts";
import type { AttachedNode } from "./attached.ts";

const MOST = 3;

/**
 * Scopes that somebody is in, and that may have been meant instead of one that nobody is in: with one name like its own
 * in place of it, with the rest of a cut allocation id, or in another namespace.
 */
export function findNearScopes(nodes: readonly AttachedNode[], scope: Scope): readonly Scope[] {
  const found = new Map<string, Scope>();
  for (const other of scopesOf(nodes, scope)) {
    if (isNear(scope, other)) found.set(scopePrefix(other), other);
    if (found.size === MOST) break;
  }
  return [...found.values()];
}

function* scopesOf(nodes: readonly AttachedNode[], { kind }: Pick<Scope, "kind">): Iterable<Scope> {
  for (const { node, groups } of nodes) {
    yield { kind: "node", node };
    for (const group of groups) {
      const allocations = kind === "alloc" ? group.allocations : group.allocations.slice(0, 1);
      for (const containerId of allocations) yield* attachmentScopes({ ...group, containerId }, node);
    }
  }
}

function isNear(scope: Scope, other: Scope): boolean {
  if (scope.kind !== other.kind) return false;
  const others = new Map<string, string>(Object.entries(other));
  const differing = Object.entries(scope).filter(([field, name]) => others.get(field) !== name);
  const [first, ...more] = differing;
  if (first === undefined || more.length > 0) return false;
  const [field, name] = first;
  const instead = others.get(field) ?? "";
  if (field === "namespace" && scope.kind !== "namespace") return true;
  if (field === "alloc") return instead.startsWith(name);
  return nearestWord(name, { known: [instead], aliases: {} }) !== undefined;
}
