import { nearestWord } from "../policy/nearest-word.ts";
import { attachmentScopes, scopePrefix, type Scope } from "../policy/scope.ts";
import { formatScopeFlags } from "../rules/scope-flags.ts";
import type { AttachedNode } from "./attached.ts";

const MOST_NEAR = 3;
/** Of more, a list helps nobody. */
const MOST_OTHERS = 5;

/** Whom a rule set that applies to nobody may have been meant for: scopes that somebody is in. */
export interface ScopeHints {
  /** With one name like its own in place of it, with the rest of a cut allocation id, or in another namespace. */
  readonly near: readonly Scope[];
  /** Where none is near: all there are, if they are few. Those of its job or namespace, if somebody is in that. */
  readonly others: readonly Scope[];
}

export const NO_HINTS: ScopeHints = { near: [], others: [] };

export function findScopeHints(nodes: readonly AttachedNode[], scope: Scope): ScopeHints {
  const near = findNear(nodes, scope);
  return { near, others: near.length > 0 ? [] : findOthers(nodes, scope) };
}

/** A sentence without its end; undefined where there are no hints. */
export function describeHints({ near, others }: ScopeHints, scope: Scope): string | undefined {
  if (near.length > 0) {
    return `did you mean ${near.map(formatScopeFlags).join(" or ")} instead of ${formatScopeFlags(scope)}?`;
  }
  if (others.length === 0) return undefined;
  return `there ${others.length === 1 ? "is only" : "are"} ${others.map(formatScopeFlags).join(", ")}`;
}

function findNear(nodes: readonly AttachedNode[], scope: Scope): readonly Scope[] {
  const found = new Map<string, Scope>();
  for (const other of scopesOf(nodes, scope)) {
    if (isNear(scope, other)) found.set(scopePrefix(other), other);
    if (found.size === MOST_NEAR) break;
  }
  return [...found.values()];
}

/** The narrowest place of the scope that somebody is in, and what is there instead. */
function findOthers(nodes: readonly AttachedNode[], scope: Scope): readonly Scope[] {
  const found: readonly Map<string, Scope>[] = wideningFrom(scope).map(() => new Map());
  for (const other of scopesOf(nodes, scope)) {
    if (other.kind === "job" && /\/(?:dispatch|periodic)-/.test(other.job)) continue;
    for (const [index, isAlike] of wideningFrom(scope).entries()) {
      const scopes = found[index];
      if (scopes && scopes.size <= MOST_OTHERS && isAlike(other)) scopes.set(scopePrefix(other), other);
    }
  }
  const others = [...(found.find(({ size }) => size > 0)?.values() ?? [])];
  return others.length > MOST_OTHERS ? [] : others.toSorted((a, b) => (scopePrefix(a) < scopePrefix(b) ? -1 : 1));
}

/** Tell scopes that differ in the last name, in the last but one, and so on. */
function wideningFrom(scope: Scope): readonly ((other: Scope) => boolean)[] {
  const isNamespace = (other: Scope) => other.kind === "namespace";
  switch (scope.kind) {
    case "global":
      return [];
    case "node":
    case "network":
    case "namespace":
      return [({ kind }) => kind === scope.kind];
    case "job":
    case "alloc":
      return [(other) => other.kind === scope.kind && other.namespace === scope.namespace, isNamespace];
    case "group": {
      const { namespace, job } = scope;
      return [
        (other) => other.kind === "group" && other.namespace === namespace && other.job === job,
        (other) => other.kind === "job" && other.namespace === namespace,
        isNamespace,
      ];
    }
  }
}

function* scopesOf(nodes: readonly AttachedNode[], { kind }: Pick<Scope, "kind">): Iterable<Scope> {
  for (const { node, groups } of nodes) {
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
