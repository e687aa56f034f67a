import type { Unidentified } from "../policy/identity-problem.ts";
import type { UnidentifiedGroup } from "./node-status.ts";

/** More reasons than that are told as one. */
const MOST_GROUPS = 5;
const LONGEST_PROBLEM = 300;

/** By why it is not known whose they are; equal lists give equal groups, in whatever order they are. */
export function describeUnidentified(unidentified: readonly Unidentified[]): readonly UnidentifiedGroup[] {
  const groups = [...Map.groupBy(unidentified, ({ problem }) => problem?.slice(0, LONGEST_PROBLEM))]
    .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))
    .map(([problem, members]) => describeGroup(members, problem));
  if (groups.length <= MOST_GROUPS) return groups;
  const rest = groups.slice(MOST_GROUPS - 1);
  return [
    ...groups.slice(0, MOST_GROUPS - 1),
    {
      attachments: rest.reduce((sum, { attachments }) => sum + attachments, 0),
      since: earliest(rest),
      problem: `${rest.length} other problems`,
    },
  ];
}

/** `2 attachments without identity since 2026-11-24T06:00:00.000Z: …`. */
export function formatUnidentified({ attachments, since, problem }: UnidentifiedGroup): string {
  const what = attachments === 1 ? "1 attachment" : `${attachments} attachments`;
  return `${what} without identity since ${since}: ${problem ?? "Nomad is being asked"}`;
}

function describeGroup(members: readonly Unidentified[], problem: string | undefined): UnidentifiedGroup {
  return { attachments: members.length, since: earliest(members), ...(problem !== undefined && { problem }) };
}

function earliest(members: readonly { readonly since: string }[]): string {
  return members.map(({ since }) => since).toSorted()[0] ?? "";
}
