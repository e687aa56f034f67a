import { alignColumns, elide } from "../inspect/table.ts";
import { describeHints } from "../plan/near-scopes.ts";
import { describeIssue } from "../rules/entry.ts";
import { toOneLine } from "../rules/one-line.ts";
import { wrap } from "../rules/wrap.ts";
import type { ClusterStatus, RuleSetState, RuleSetStatus } from "./cluster-status.ts";
import { formatNodes, listNodes } from "./format-nodes.ts";

/** All that is asked about, as a table of at most 80 columns, and the nodes that report. */
export function formatCluster(cluster: ClusterStatus, { what }: { readonly what: string }): string {
  const { ruleSets, unknownKeys } = cluster;
  const [heading = "", ...rows] = alignColumns([[...HEADING, KEY_HEADING], ...ruleSets.map(cells)], {
    right: [1, 2, 3],
  });
  const keyAt = heading.length - KEY_HEADING.length;
  const formatRow = (row: string, ruleSet: RuleSetStatus): readonly string[] => {
    const key = toOneLine(ruleSet.key);
    const isShort = keyAt + key.length <= LINE_WIDTH;
    return [isShort ? row.padEnd(keyAt) + key : row, ...(isShort ? [] : [wrap(`  ${key}`, { indent: 4 })])];
  };
  const sections = [
    ruleSets.length === 0
      ? [wrap(`No rule set under ${what}`, { indent: 2 })]
      : [heading, ...ruleSets.flatMap((each, index) => [...formatRow(rows[index] ?? "", each), ...formatNotes(each)])],
    unknownKeys.length === 0
      ? []
      : [
          "Keys that fit no scope, and so apply to nothing: outbound rules rm KEY",
          ...unknownKeys.flatMap(({ key, reason }) => [
            wrap(`  ${toOneLine(key)}`, { indent: 4 }),
            wrap(`    ${reason}`, { indent: 4 }),
          ]),
        ],
    formatNodes(cluster),
    formatDoubts(cluster),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

/** What keeps the answer from being the whole truth. */
export function formatDoubts(cluster: ClusterStatus): readonly string[] {
  return describeDoubts(cluster).map((note) => wrap(note, { indent: 2 }));
}

/** The same, a line each, however long. */
export function describeDoubts({ nodes, hidesStatuses, hidesRules }: ClusterStatus): readonly string[] {
  const nobody =
    "No watcher reports, so nobody knows what is in force: outbound watch runs on no node, or may not write its status key: its log says so";
  const nameless = nodes.reduce((sum, { unidentified = [] }) => sum + countOf(unidentified), 0);
  return [
    ...(nodes.length === 0 && !hidesStatuses ? [nobody] : []),
    ...(nameless > 0 ? [describeNameless(nameless)] : []),
    ...(hidesStatuses
      ? ["Consul's ACLs hide the status of nodes from this token, so what is in force there is not known"]
      : []),
    ...(hidesRules ? ["Consul's ACLs hide rule sets from this token: there may be more than these"] : []),
  ];
}

function countOf(groups: readonly { readonly attachments: number }[]): number {
  return groups.reduce((sum, { attachments }) => sum + attachments, 0);
}

function describeNameless(count: number): string {
  const what = count === 1 ? "1 attachment is without identity" : `${count} attachments are without identity`;
  return `${what}: rule sets of a namespace that should apply there do not, and are not counted there`;
}

export const STATE_WORDS: Readonly<Record<RuleSetState, string>> = {
  "in-force": "in force",
  audit: "audit",
  expired: "expired",
  pending: "PENDING",
  rejected: "REJECTED",
  unmatched: "NO MATCH",
  unreported: "UNKNOWN",
  removing: "REMOVING",
};

/** Why nobody is in a rule set's scope, and who may have been meant. */
export function describeNoMatch({ scope, ...hints }: RuleSetStatus): string {
  const hint = describeHints(hints, scope);
  return `matches no allocation on any node${hint === undefined ? "" : `: ${hint}`}`;
}

const HEADING = ["STATE", "NODES", "ATTACHMENTS", "VERSION"];
const KEY_HEADING = "RULE SET";
const LINE_WIDTH = 80;
const LONGEST_ISSUE = 400;

function cells({ state, nodes, attachments, modifyIndex }: RuleSetStatus): readonly string[] {
  return [
    STATE_WORDS[state],
    countNodes({ state, nodes }),
    String(attachments),
    modifyIndex === null ? "-" : String(modifyIndex),
  ];
}

/** How many nodes it applies to, or how many of them have it: `2/3`. */
export function countNodes({ state, nodes }: Pick<RuleSetStatus, "state" | "nodes">): string {
  const applied = nodes.filter((node) => node.state === "applied").length;
  const isPartial = state === "pending" || state === "rejected";
  return isPartial && nodes.length > 0 ? `${applied}/${nodes.length}` : String(nodes.length);
}

function formatNotes(ruleSet: RuleSetStatus): readonly string[] {
  return describeNotes(ruleSet).map((note) => wrap(`  ${note}`, { indent: 4 }));
}

/** What there is to say of a rule set besides its row, a line each. */
export function describeNotes(ruleSet: RuleSetStatus): readonly string[] {
  const { issues } = ruleSet;
  const [issue] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return [
    ...(issue ? [`! ${elide(toOneLine(describeIssue(issue)), LONGEST_ISSUE)}${more}`] : []),
    ...describeNodes(ruleSet),
  ];
}

/** Which nodes do not have the version in KV, and what they have. */
function describeNodes(ruleSet: RuleSetStatus): readonly string[] {
  const { state, nodes, audited } = ruleSet;
  if (state === "unmatched") return [describeNoMatch(ruleSet)];
  if (state === "unreported") return [];
  if (state === "removing") return [`removed from KV, and still in force on ${listNodes(nodes)}`];
  const others = nodes.filter((node) => node.state !== "applied");
  const byVersion = Map.groupBy(others, ({ modifyIndex, has }) =>
    modifyIndex === null ? "" : `${modifyIndex} ${has}`,
  );
  const lines = Array.from(byVersion, ([version, alike]) => {
    const [{ modifyIndex, has } = { modifyIndex: null, has: null }] = alike;
    if (version === "" || has === null) return `${listNodes(alike)}: has none in force`;
    return `${listNodes(alike)}: has version ${modifyIndex}, ${STATE_WORDS[has]}`;
  });
  const denied = audited.filter(({ wouldBe }) => wouldBe === "denied").length;
  return [...lines, ...(denied > 0 ? [`would have denied ${denied} kinds of connection`] : [])];
}
