import type { HostInterfaces } from "./host/host-interfaces.ts";
import type { Iptables } from "./host/iptables.ts";
import type { Log } from "./host/log.ts";
import type { CompiledNode } from "./netfilter/compile-node.ts";
import type { ActualRuleset } from "./netfilter/parse-ruleset.ts";
import { findUnknownChains, planNode, type Plan } from "./netfilter/plan.ts";
import type { Family } from "./policy/address.ts";
import { reconcile, type Reconciliation } from "./reconcile.ts";

const EMPTY_NODE: CompiledNode = { attachments: [], chains: new Map() };

/** Makes a node's chains what they should be, and removes every chain of ours that nothing can need any more. */
export function sweep(family: Family, options: SweepOptions): Promise<Reconciliation> {
  return reconcile(family, { ...options, plan: (actual) => planSweep(actual, { ...options, family }) });
}

export interface SweepOptions extends SweepKnowledge {
  readonly iptables: Iptables;
  readonly log: Log;
}

export interface SweepKnowledge {
  /** What should be there; nothing where no attachment is left. */
  readonly node?: CompiledNode;
  /** Chains whose attachment has gone for certain. */
  readonly gone: ReadonlySet<string>;
  /** Chains whose record cannot be read. */
  readonly unreadable?: ReadonlySet<string>;
  readonly interfaces: Pick<HostInterfaces, "exists">;
  /** As `planNode` takes it; true where left out. */
  readonly isSettled?: boolean;
  /** As `planNode` takes them. */
  readonly isRead?: (prefix: string) => boolean;
  readonly expired?: ReadonlySet<string>;
}

/**
 * A chain without a record is not proof that its container has gone: the state folder may have been lost. It stays
 * while an interface that leads to it exists, or while addresses alone lead to it.
 */
export function planSweep(actual: ActualRuleset, options: PlanSweepOptions): Plan {
  const {
    family,
    node = EMPTY_NODE,
    gone,
    unreadable = new Set(),
    interfaces,
    isSettled = true,
    isRead,
    expired,
  } = options;
  const kept = findUnknownChains(node, actual).filter((unknown) => {
    if (!isSettled) return true;
    if (gone.has(unknown.chain)) return false;
    if (unreadable.has(unknown.chain)) return true;
    const isInterfaceGone = unknown.interfaces.length > 0 && !unknown.interfaces.some(interfaces.exists);
    return unknown.isReached && !isInterfaceGone;
  });
  const keep = new Set(kept.map(({ chain }) => chain));
  return planNode(node, { actual, family, isSettled, keep, ...(isRead && { isRead }), ...(expired && { expired }) });
}

interface PlanSweepOptions extends SweepKnowledge {
  readonly family: Family;
}
