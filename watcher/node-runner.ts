import type { AttachmentStore } from "../lib/host/attachment-store.ts";
import type { HostInterfaces } from "../lib/host/host-interfaces.ts";
import type { Iptables } from "../lib/host/iptables.ts";
import type { Log } from "../lib/host/log.ts";
import { createCompiler, type CompiledNode, type Compiler } from "../lib/netfilter/compile-node.ts";
import { expiredChains } from "../lib/netfilter/expired-chains.ts";
import { parseRuleset, type ActualRuleset } from "../lib/netfilter/parse-ruleset.ts";
import { isEmptyPlan, type Plan } from "../lib/netfilter/plan.ts";
import { predictRuleset, shareCompiled } from "../lib/netfilter/predict.ts";
import { isAsKnown, renderEdits, renderPlan } from "../lib/netfilter/render-plan.ts";
import type { Family } from "../lib/policy/address.ts";
import type { Attachment, Identity } from "../lib/policy/attachment.ts";
import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";
import { reconcile } from "../lib/reconcile.ts";
import { planSweep } from "../lib/sweep.ts";
import { createRecordCompleter, type RecordCompleter } from "./complete-records.ts";
import { hasGone } from "./has-gone.ts";
import { digestListing } from "./listing-digest.ts";
import { findUnfiltered, type Unfiltered } from "./unfiltered.ts";

/** What a pass knows when it starts. */
export interface PassInput {
  readonly runtimeRules: RuntimeRules;
  /** Whether KV has been read since the start; before that nothing is removed. */
  readonly isSettled: boolean;
  /** Whether one KV prefix has been read since the start; all or none with `isSettled` where left out. */
  readonly isRead?: (prefix: string) => boolean;
  /** Whether to read the kernel's chains instead of trusting what the last pass left there. */
  readonly isResync: boolean;
  /**
   * Whether to look which attachments there are, and which of them have gone. A change of rules alone need not: that
   * takes longer than to compile it, and who attaches meanwhile asks for a pass that does.
   */
  readonly isListing: boolean;
  /** Called under the lock, before the kernel is looked at: the attachments of this node that are still there. */
  readonly onAttachments: (attachments: readonly Attachment[]) => void;
  /** Called under the lock, before the kernel is changed: what it will hold must be on disk before it does. */
  readonly persist: () => void;
}

export interface PassReport {
  readonly attachments: readonly Attachment[];
  /** Families in which the kernel had to be changed. */
  readonly changed: readonly Family[];
  /** Families in which a resync found chains that nobody of ours had left so. */
  readonly drifted: readonly Family[];
  /** How many records of attachments cannot be read; absent where all can. */
  readonly unreadable?: number;
  /** A container that could not be given what it should have in one family; the others have been. */
  readonly unfiltered?: Unfiltered;
}

export interface RunnerPorts {
  readonly iptables: Iptables;
  readonly store: AttachmentStore;
  readonly interfaces: HostInterfaces;
  readonly log: Log;
  readonly nowMs: () => number;
  /** What has been found out about an allocation that CNI_ARGS do not name; default: nothing. */
  readonly identityOf?: (containerId: string) => Identity | undefined;
}

/**
 * Makes this node's chains follow its attachments and the runtime rules. A pass holds the node's lock. It remembers
 * what the kernel holds, so that a change of rules is one transaction without a read before it; after anything
 * unexpected it reads again.
 */
export function createNodeRunner(ports: RunnerPorts): NodeRunner {
  const { iptables, store, interfaces, log, nowMs, identityOf = () => undefined } = ports;
  const complete = createRecordCompleter({ store, identityOf, log });
  const spoken = ([4, 6] as const).filter((family) => interfaces.hasFamily(family));
  const compilers = new Map(spoken.map((family): [Family, Compiler] => [family, createCompiler(family)]));
  const known = new Map<Family, ActualRuleset>();
  /** The digest of what the kernel listed when a resync last found nothing to do, where nothing was written since. */
  const digests = new Map<Family, string>();
  /** Chains of attachments that have gone and whose records cannot be removed: told once. */
  const lingering = new Set<string>();
  let last: Survey | undefined;

  return {
    async pass({ runtimeRules, isSettled, isRead, isResync, isListing, onAttachments, persist }) {
      const survey = last && !isListing && !isResync ? last : look(last?.attachments ?? [], { complete, interfaces });
      const { attachments, live, stale, gone, unreadable } = survey;
      // The plugin has written to the kernel where the attachments are not the ones of the last pass.
      const isFamiliar = isSameList(last?.attachments ?? [], attachments);
      onAttachments(live);
      persist();
      // Looked up each time: programs come and go with packages.
      const families = spoken.filter((family) => iptables.has(family));
      const policy = { runtimeRules, nowMs: nowMs() };
      const expired = expiredChains(policy);
      const knowledge = { gone, unreadable, interfaces, isSettled, expired, ...(isRead && { isRead }) };
      const outcomes = await Promise.allSettled(
        families.map(async (family) => {
          const node = compilers.get(family)?.compileNode(live, policy);
          if (!node) throw new Error(`Cannot compile: no compiler for IPv${family}`);
          const plan = (actual: ActualRuleset): Plan => planSweep(actual, { ...knowledge, node, family });
          return { family, ...(await applyOnce(family, { node, plan, isFamiliar, isResync })) };
        }),
      );
      const failure = outcomes.find((outcome) => outcome.status === "rejected");
      if (failure) {
        known.clear();
        throw failure.reason;
      }
      const done = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      for (const { chain, containerId } of isSettled ? stale : []) {
        forget({ chain, containerId });
      }
      // What had gone has been removed: the same container may be attached again before anybody looks.
      last = isSettled ? { ...survey, attachments: live, stale: [], gone: new Set() } : survey;
      const unfiltered = findUnfiltered(
        live,
        ([4, 6] as const).filter((family) => !iptables.has(family)),
      );
      return {
        attachments: live,
        changed: done.filter(({ isChanged }) => isChanged).map(({ family }) => family),
        drifted: done.filter(({ isDrift }) => isDrift).map(({ family }) => family),
        ...(unreadable.size > 0 && { unreadable: unreadable.size }),
        ...(unfiltered && { unfiltered }),
      };
    },
  };

  /** A disk that is read-only must not keep rules from the kernel; the next look finds the record again. */
  function forget({ chain, containerId }: Pick<Attachment, "chain" | "containerId">): void {
    const about = { allocation: containerId, chain };
    try {
      store.remove(chain);
      lingering.delete(chain);
      log.warn(about, "Removed an attachment whose network namespace has gone without DEL");
    } catch (error) {
      if (!lingering.has(chain)) {
        log.error({ ...about, error: String(error) }, "Cannot remove the record of an attachment that has gone");
      }
      lingering.add(chain);
    }
  }

  async function applyOnce(family: Family, { node, plan, isFamiliar, isResync }: ApplyOptions): Promise<Applied> {
    const remembered = known.get(family);
    let wasMistaken = false;
    if (remembered && isFamiliar && !isResync) {
      const planned = plan(remembered);
      if (isEmptyPlan(planned)) return { isChanged: false, isDrift: false };
      known.delete(family);
      const edits = renderEdits(planned, remembered);
      const printed = await iptables.restore(family, edits.text).catch((error: unknown) => {
        log.warn({ family, error: String(error) }, "The kernel refused a transaction, its chains are read again");
      });
      if (printed !== undefined && isAsKnown(edits, { printed, known: remembered })) {
        await remember(family, { node, planned, actual: remembered });
        return { isChanged: true, isDrift: false };
      }
      // It was edited by positions that did not hold: what has become of it is put right at once.
      wasMistaken = printed !== undefined;
    }
    if (remembered && isFamiliar && isEmptyPlan(plan(remembered)) && (await isUntouched(family))) {
      return { isChanged: false, isDrift: false };
    }
    known.delete(family);
    const { plan: planned, isChanged, actual, listing } = await reconcile(family, { plan, iptables, log });
    if (!isChanged) digests.set(family, digestListing(listing));
    await remember(family, { node, planned, actual: shareCompiled(actual, node.chains) });
    // What this pass itself had to change is no drift.
    const isDrift = remembered !== undefined && isFamiliar && renderPlan(plan(remembered)) !== renderPlan(planned);
    return { isChanged: isChanged || wasMistaken, isDrift: wasMistaken || (isChanged && isDrift) };
  }

  /** A table that reads as it did when all was well need not be taken apart again: that costs more than to list it. */
  async function isUntouched(family: Family): Promise<boolean> {
    const digest = digests.get(family);
    return digest !== undefined && digestListing(await iptables.save(family)) === digest;
  }

  /** Where jumps were moved it reads again: without a memory, the next change by others would pass for our own. */
  async function remember(family: Family, { node, planned, actual }: Remembered): Promise<void> {
    if (!isEmptyPlan(planned)) digests.delete(family);
    const predicted = predictRuleset(actual, planned);
    known.set(family, predicted ?? shareCompiled(parseRuleset(await iptables.save(family)), node.chains));
  }
}

export interface NodeRunner {
  /** @throws IptablesError where the kernel refuses; the next pass reads everything again */
  readonly pass: (input: PassInput) => Promise<PassReport>;
}

interface ApplyOptions {
  readonly node: CompiledNode;
  readonly plan: (actual: ActualRuleset) => Plan;
  /** Whether the attachments are those of the last pass, so that only a watcher can have changed their chains. */
  readonly isFamiliar: boolean;
  readonly isResync: boolean;
}

interface Applied {
  readonly isChanged: boolean;
  readonly isDrift: boolean;
}

interface Remembered {
  readonly node: CompiledNode;
  readonly planned: Plan;
  readonly actual: ActualRuleset;
}

/** What there is on this node, as one look found it. */
interface Survey {
  readonly attachments: readonly Attachment[];
  readonly live: readonly Attachment[];
  /** On record, but their network namespace has gone. */
  readonly stale: readonly Attachment[];
  /** Chains of attachments that have gone for certain. */
  readonly gone: ReadonlySet<string>;
  readonly unreadable: ReadonlySet<string>;
}

interface LookPorts {
  readonly complete: RecordCompleter;
  readonly interfaces: HostInterfaces;
}

function look(before: readonly Attachment[], { complete, interfaces }: LookPorts): Survey {
  const { attachments, unreadable } = complete();
  const isGone = hasGone(attachments, interfaces);
  const stale = attachments.filter(isGone);
  const live = stale.length === 0 ? attachments : attachments.filter((attachment) => !stale.includes(attachment));
  // A record that is lost is no DEL: the container may run on, and its chain is all that guards it.
  const lost = before.filter((each) => !attachments.includes(each) && isGone(each));
  const gone = new Set([...stale, ...lost].map(({ chain }) => chain));
  for (const { chain } of live) gone.delete(chain);
  return { attachments, live, stale, gone, unreadable };
}

function isSameList<T>(left: readonly T[], right: readonly T[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}
