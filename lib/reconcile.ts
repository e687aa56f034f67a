import type { Iptables } from "./host/iptables.ts";
import type { Log } from "./host/log.ts";
import { parseRuleset, type ActualRuleset } from "./netfilter/parse-ruleset.ts";
import { isEmptyPlan, type Plan } from "./netfilter/plan.ts";
import { isAsKnown, renderEdits } from "./netfilter/render-plan.ts";
import type { Family } from "./policy/address.ts";

/** Somebody else may change the table between our read and our write; then we look again, and edit no more. */
const ATTEMPTS = 3;
const NOTHING_KNOWN: ActualRuleset = new Map();

export interface Reconciliation {
  readonly plan: Plan;
  readonly isChanged: boolean;
  /** The table as it was read. */
  readonly actual: ActualRuleset;
  readonly listing: string;
}

/**
 * Makes one family's chains what `plan` says of what is there: read, plan, render, apply. A plan that is empty
 * writes nothing. The caller holds the lock.
 *
 * @throws IptablesError when the kernel refused every attempt; it is then as it was
 */
export async function reconcile(family: Family, { plan, iptables, log }: ReconcileOptions): Promise<Reconciliation> {
  for (let attempt = 1; ; attempt++) {
    const listing = await iptables.save(family);
    const actual = parseRuleset(listing);
    const planned = plan(actual);
    for (const { chain, reachedFrom } of planned.stuck) {
      log.warn({ family, chain, reachedFrom }, "Cannot remove chain: rules that are not ours lead to it");
    }
    if (isEmptyPlan(planned)) return { plan: planned, isChanged: false, actual, listing };
    const known = attempt === 1 ? actual : NOTHING_KNOWN;
    const edits = renderEdits(planned, known);
    try {
      const printed = await iptables.restore(family, edits.text);
      if (isAsKnown(edits, { printed, known })) return { plan: planned, isChanged: true, actual, listing };
      log.warn({ family, chains: edits.edited }, "Somebody changed a chain while it was edited, it is read again");
    } catch (error) {
      log.warn({ family, attempt, error: String(error), text: edits.text }, "The kernel refused a transaction");
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

export interface ReconcileOptions {
  readonly plan: (actual: ActualRuleset) => Plan;
  readonly iptables: Iptables;
  readonly log: Log;
}
