import { formatBoundedStatus } from "../lib/status/bound-status.ts";
import { describeNode } from "../lib/status/describe-node.ts";
import type { PrefixState } from "./prefix-state.ts";
import { rejections } from "./snapshot.ts";
import type { WatchState } from "./watch.ts";

/** What a watcher in this state writes into its node's status key. Equal states give equal text. */
export function describeState(state: WatchState, about: { readonly node: string; readonly version: string }): string {
  const { snapshot, isInSync, attachments, applied, audited, unidentified } = state;
  return formatBoundedStatus(
    describeNode({
      ...about,
      isInSync,
      problems: problemsOf(state),
      attachments,
      runtimeRules: applied?.runtimeRules,
      nowMs: applied?.nowMs ?? 0,
      rejections: rejections(snapshot),
      audited,
      unidentified,
    }),
  );
}

/** What keeps a node from being in sync, for people. */
export function problemsOf({ isInSync, applied, problem, prefixes }: WatchState): readonly string[] {
  if (isInSync) return [];
  const unread = prefixes.filter(({ status }) => status !== "ok");
  if (unread.length > 0) return [...(problem === undefined ? [] : [problem]), ...unread.map(describePrefix)];
  if (problem !== undefined) return [problem];
  return [applied ? "the last pass failed, what the one before it put into the kernel stays" : "starting"];
}

function describePrefix({ prefix, status, lastFailure }: PrefixState): string {
  if (status === "starting" || !lastFailure) return `${prefix} is not read yet`;
  return `${prefix}: ${lastFailure.message}`;
}
