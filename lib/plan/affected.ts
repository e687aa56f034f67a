import type { PolicySubject } from "../policy/evaluate.ts";
import { formatRule, type Rule } from "../policy/rule.ts";
import { attachmentScopes, scopePrefix, type Scope, type ScopedAttachment } from "../policy/scope.ts";
import type { NodePolicy } from "../status/node-status.ts";
import type { AttachedGroup, AttachedNode } from "./attached.ts";

/** Attachments of one group and node that a rule set's scope holds. */
export interface AffectedMember extends Omit<AttachedGroup, "policy"> {
  readonly node: string;
}

/** Attachments that the same rules decide. */
export interface AffectedGroup {
  /** One of them, and its node. */
  readonly subject: PolicySubject;
  readonly node: string;
  readonly members: readonly AffectedMember[];
  /** What keys that apply to them start with, of scopes that have keys. */
  readonly prefixes: readonly string[];
}

/** Attachments in a rule set's scope. */
export interface Affected {
  readonly groups: readonly AffectedGroup[];
  /** What keys below `<root>/rules/` that apply to one of them start with. */
  readonly prefixes: ReadonlySet<string>;
}

/**
 * Finds who is in a scope. Those with the same policy, and with keys in the same scopes, are decided alike.
 * `usedPrefixes`: the scopes that have keys.
 */
export function findAffected(
  nodes: readonly AttachedNode[],
  { scope, usedPrefixes }: { readonly scope: Scope; readonly usedPrefixes: ReadonlySet<string> },
): Affected {
  const own = scopePrefix(scope);
  const found = new Map<string, AffectedGroup & { readonly members: AffectedMember[] }>();
  const prefixes = new Set<string>();
  const policyIds = new PolicyIds();
  for (const { node, groups } of nodes) {
    for (const group of groups) {
      // Its allocations have all scopes but their own in common, and there may be very many.
      const shared = attachmentScopes({ ...group, containerId: "" }, node).map(scopePrefix);
      const { namespace = "" } = group.identity;
      const byPrefixes = Map.groupBy(group.allocations, (alloc) => {
        const isKnown = namespace !== "" && alloc !== "";
        const all = isKnown ? [...shared, scopePrefix({ kind: "alloc", namespace, alloc })] : shared;
        if (!all.includes(own)) return "";
        for (const prefix of all) prefixes.add(prefix);
        return all.filter((prefix) => usedPrefixes.has(prefix) || prefix === own).join("\n");
      });
      for (const [used, allocations] of byPrefixes) {
        const [containerId = ""] = allocations;
        if (used === "") continue;
        const { network, identity, policy } = group;
        const key = `${policyIds.of(policy)}\n${used}`;
        const member = { node, network, identity, allocations };
        const alike = found.get(key);
        if (alike) alike.members.push(member);
        else {
          const subject = toSubject({ network, containerId, identity }, policy);
          found.set(key, { subject, node, members: [member], prefixes: used.split("\n") });
        }
      }
    }
  }
  return { groups: [...found.values()], prefixes };
}

function toSubject(attachment: ScopedAttachment, { jobRules, ...policy }: NodePolicy): PolicySubject {
  return { ...attachment, policy, jobRules };
}

/** Every node tells its policies anew. */
class PolicyIds {
  readonly #byPolicy = new Map<NodePolicy, string>();
  readonly #byText = new Map<string, string>();

  of(policy: NodePolicy): string {
    const known = this.#byPolicy.get(policy);
    if (known !== undefined) return known;
    const { defaultAction, ...lists } = policy;
    const toText = (rules: readonly Rule[]) => rules.map(formatRule);
    const { staticRules, initialRules, jobRules } = lists;
    const text = JSON.stringify([defaultAction, toText(staticRules), toText(initialRules), toText(jobRules)]);
    const id = this.#byText.get(text) ?? String(this.#byText.size);
    this.#byText.set(text, id);
    this.#byPolicy.set(policy, id);
    return id;
  }
}
