import { listAttachments, type ListedAttachment } from "../../lib/inspect/attachment-list.ts";
import { countDefault } from "../../lib/inspect/count-rules.ts";
import { describeIdentity } from "../../lib/inspect/describe.ts";
import { readTables } from "../../lib/inspect/kernel.ts";
import { tablesOf, type KernelListings } from "../../lib/inspect/kernel-listings.ts";
import type { ObservedConnection } from "../../lib/observed/connection.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import { groupProblems, type IdentityProblem } from "../../lib/policy/identity-problem.ts";
import { locateIssues } from "../../lib/policy/locate.ts";
import { isInForce } from "../../lib/policy/rule-set.ts";
import type { RuntimeRules } from "../../lib/policy/runtime-rules.ts";
import { ATTACHMENTS_A_PAGE } from "../../lib/web/limits.ts";
import type {
  AttachmentsPage,
  DeniedConnection,
  NodeView,
  RejectedValue,
  WatchedPrefix,
} from "../../lib/web/node-view.ts";
import { problemsOf } from "../describe-state.ts";
import type { PrefixState } from "../prefix-state.ts";
import { rejections, unknownKeys, type Snapshot } from "../snapshot.ts";
import type { WatchState } from "../watch-state.ts";

export interface NodeViewOptions {
  readonly listings: KernelListings;
  readonly connections: readonly ObservedConnection[];
  readonly query: string;
  /** From 1 on; one that is not there is the nearest that is. */
  readonly page: number;
  readonly nowMs: number;
}

/** What a watcher in this state has to show of its node. Only the attachments on the page asked for are looked at closely. */
export function viewNode(state: WatchState, { connections, nowMs, ...options }: NodeViewOptions): NodeView {
  const { snapshot, attachments, applied, isInSync, prefixes } = state;
  const rules = (applied?.runtimeRules ?? snapshot.runtimeRules).ruleSets;
  const current = rules.filter(({ ruleSet, hasExpired }) => hasExpired !== true && isInForce(ruleSet, nowMs));
  return {
    isInSync,
    problems: problemsOf(state),
    prefixes: prefixes.map(viewPrefix),
    counts: {
      attachments: attachments.length,
      enforced: current.filter(({ ruleSet }) => ruleSet.mode === "enforce").length,
      audited: current.filter(({ ruleSet }) => ruleSet.mode === "audit").length,
      expired: rules.length - current.length,
    },
    list: pageOf(attachments, { ...options, identityProblems: groupProblems(state.unidentified) }),
    denied: viewDenied(connections, attachments),
    isDeniedLogged: attachments.length === 0 || attachments.some(({ policy }) => policy.logDenied),
    rejections: rejections(snapshot).map((rejection): RejectedValue => ({
      ...rejection,
      issues: locateIssues(valueOf(rejection.key, snapshot), rejection.issues),
    })),
    unknownKeys: unknownKeys(snapshot),
    expiring: expiringOf(current),
  };
}

function viewPrefix({ prefix, status, index, lastSuccessMs, lastFailure }: PrefixState): WatchedPrefix {
  const isFailing = status === "failing" || status === "filtered";
  return {
    prefix,
    status,
    ...(index !== undefined && { index }),
    ...(lastSuccessMs !== undefined && { lastSuccessMs }),
    ...(isFailing && lastFailure && { problem: lastFailure.message }),
  };
}

interface PageOptions extends Pick<NodeViewOptions, "listings" | "query" | "page"> {
  readonly identityProblems: readonly IdentityProblem[];
}

function pageOf(
  attachments: readonly Attachment[],
  { listings, query, page: wanted, identityProblems }: PageOptions,
): AttachmentsPage {
  // Sorted as `outbound list` sorts them; what of them is in the kernel is looked up for one page only.
  const nothing = { kernel: { 4: "absent", 6: "absent" }, unreadable: new Set<string>() } as const;
  const sorted = listAttachments(attachments, nothing).attachments;
  const matching = query === "" ? sorted : sorted.filter((each) => isLike(each, query.toLowerCase()));
  const pages = Math.max(1, Math.ceil(matching.length / ATTACHMENTS_A_PAGE));
  const page = Math.min(Math.max(1, wanted), pages);
  const start = (page - 1) * ATTACHMENTS_A_PAGE;
  const chains = new Set(matching.slice(start, start + ATTACHMENTS_A_PAGE).map(({ chain }) => chain));
  const kernel = tablesOf(listings, (index) => index.pick(chains));
  const tables = readTables(kernel);
  const shown = attachments.filter(({ chain }) => chains.has(chain));
  const byChain = new Map(shown.map((attachment) => [attachment.chain, attachment]));
  const { attachments: listed } = listAttachments(shown, { kernel, unreadable: new Set(), identityProblems });
  return {
    rows: listed.flatMap((each) => {
      const attachment = byChain.get(each.chain);
      if (!attachment) return [];
      const { defaultAction } = attachment.policy;
      return [
        { ...each, defaultAction: { action: defaultAction, counters: countDefault(attachment, tables) ?? null } },
      ];
    }),
    query,
    matching: matching.length,
    page,
    pages,
  };
}

function isLike({ allocation, identity, network, addresses, chain }: ListedAttachment, query: string): boolean {
  return [allocation, describeIdentity(identity), network, chain, ...addresses].some((text) =>
    text.toLowerCase().includes(query),
  );
}

function viewDenied(
  connections: readonly ObservedConnection[],
  attachments: readonly Attachment[],
): readonly DeniedConnection[] {
  const chains = new Map(attachments.map(({ containerId, network, chain }) => [`${containerId} ${network}`, chain]));
  return connections
    .filter(({ decision }) => decision.kind === "denied")
    .toReversed()
    .map((connection) => {
      const chain = chains.get(`${connection.allocation} ${connection.network}`);
      return { ...connection, ...(chain !== undefined && { chain }) };
    });
}

function valueOf(key: string, { known }: Snapshot): Uint8Array {
  return known.get(key)?.entry?.value ?? new Uint8Array();
}

function expiringOf(ruleSets: RuntimeRules["ruleSets"]): RuntimeRules["ruleSets"] {
  return ruleSets
    .filter(({ ruleSet }) => ruleSet.expiresAt !== undefined)
    .toSorted((a, b) => (a.ruleSet.expiresAt ?? 0) - (b.ruleSet.expiresAt ?? 0));
}
