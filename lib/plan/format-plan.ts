import { describeIdentity } from "../inspect/describe.ts";
import { alignColumns, elide } from "../inspect/table.ts";
import type { Identity } from "../policy/attachment.ts";
import { isInForce, type RuleSet } from "../policy/rule-set.ts";
import { describePut } from "../rules/describe-put.ts";
import type { RuleSetEntry } from "../rules/entry.ts";
import { toOneLine } from "../rules/one-line.ts";
import { describeChanges, describeTime } from "../rules/rule-set-diff.ts";
import { formatScopeFlags } from "../rules/scope-flags.ts";
import { wrap } from "../rules/wrap.ts";
import type { AffectedMember } from "./affected.ts";
import { countAttachments } from "./attached.ts";
import { formatEffect } from "./format-effect.ts";
import type { OutOfStep } from "./out-of-step.ts";
import type { Effect, Plan } from "./plan.ts";

const MOST_GROUPS = 10;
const MOST_NOTES = 10;
const MOST_NODES = 3;
const IDENTITY_WIDTH = 50;

export interface FormatOptions {
  readonly nowMs: number;
  /** More that has to be said: what could not be read. */
  readonly notes: readonly string[];
}

/** A plan for people: lines of at most 80 columns. */
export function formatPlan(plan: Plan, { nowMs, notes }: FormatOptions): string {
  const { effects, outOfStep } = plan;
  const sections = [
    [describeWrite(plan)],
    formatMembers(plan),
    ...effects.map((effect) => [
      ...(effects.length > 1 ? [wrap(describeFor(effect.members), { indent: 2 })] : []),
      ...formatVerdicts(effect, { plan, nowMs }),
    ]),
    [
      ...outOfStep.slice(0, MOST_NOTES).map(describeOutOfStep),
      ...(outOfStep.length > MOST_NOTES ? [`and ${outOfStep.length - MOST_NOTES} more such rule sets: --json`] : []),
      ...describeExpiry(plan, { nowMs }),
      ...notes,
      describeSource(plan),
    ].map((note) => wrap(note, { indent: 2 })),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function describeWrite({ key, current, after }: Plan): string {
  if (after) return describePut(current, { key, ruleSet: after });
  return [`${toOneLine(key)}: removed`, ...describeChanges(valueOf(current), undefined)].join("\n");
}

function valueOf(current: RuleSetEntry | undefined): RuleSet | undefined {
  return current?.parsed.ok === true ? current.parsed.value : undefined;
}

function formatMembers({ effects, near, scope, seen, source }: Plan): readonly string[] {
  const members = effects.flatMap((effect) => effect.members);
  if (seen.attachments === 0) return ["No attachment is seen: whom it applies to is not known"];
  if (members.length === 0) {
    const where = source === "status" ? "on any node" : "on this node";
    const meant = near.map(formatScopeFlags).join(" or ");
    return [
      `It matches no allocation ${where}`,
      ...(meant === "" ? [] : [wrap(`Did you mean ${meant} instead of ${formatScopeFlags(scope)}?`, { indent: 2 })]),
    ];
  }
  const nodes = new Set(members.map(({ node }) => node)).size;
  return [
    `It applies to ${count(countAttachments(members), "attachment")} on ${count(nodes, "node")}:`,
    ...formatGroups(members).map((line) => `  ${line}`),
  ];
}

function formatGroups(members: readonly AffectedMember[]): readonly string[] {
  const groups = countGroups(members);
  const rows = groups
    .slice(0, MOST_GROUPS)
    .map(({ name, attachments }) => [elide(name, IDENTITY_WIDTH), String(attachments)]);
  const left = groups.length - MOST_GROUPS;
  return [...alignColumns(rows, { right: [1] }), ...(left > 0 ? [`and ${left} more groups: --json has them`] : [])];
}

function countGroups(members: readonly AffectedMember[]) {
  const byName = Map.groupBy(members, ({ identity }) => describeGroup(identity));
  return Array.from(byName, ([name, alike]) => ({ name, attachments: countAttachments(alike) })).toSorted(
    (a, b) => b.attachments - a.attachments || (a.name < b.name ? -1 : 1),
  );
}

/** Children of one job are one group, however many there are. */
function describeGroup({ job, ...identity }: Identity): string {
  const name = job?.replace(/\/(dispatch|periodic)-.*$/s, "/$1-…");
  return describeIdentity({ ...identity, ...(name !== undefined && { job: name }) });
}

function describeFor(members: readonly AffectedMember[]): string {
  const groups = countGroups(members);
  const shown = groups.slice(0, 3).map(({ name, attachments }) => `${elide(name, IDENTITY_WIDTH)} (${attachments})`);
  const left = groups.length - shown.length;
  return `For ${shown.join(", ")}${left > 0 ? ` and ${left} more` : ""}:`;
}

interface VerdictOptions {
  readonly plan: Plan;
  readonly nowMs: number;
}

function formatVerdicts(effect: Effect, options: VerdictOptions): readonly string[] {
  const lines = formatEffect(effect);
  if (effect.changes.length > 0 || !effect.isComplete) return lines;
  return lines.length > 0 ? ["No verdict changes.", ...lines] : [wrap(describeNothing(options), { indent: 2 })];
}

function describeNothing({ plan: { current, after, isChange }, nowMs }: VerdictOptions): string {
  if (!isChange) return "No verdict changes.";
  const last = after ?? valueOf(current);
  if (last && !isInForce(last, nowMs)) return "No verdict changes, because it has expired.";
  if (last?.mode === "audit") return "No verdict changes, because it is audited: it counts, and decides nothing.";
  return "No verdict changes, because its rules decide the same as before.";
}

function describeExpiry({ after, isChange }: Plan, { nowMs }: Pick<FormatOptions, "nowMs">): readonly string[] {
  if (!isChange || after?.expiresAt === undefined || !isInForce(after, nowMs)) return [];
  return [`It expires at ${describeTime(after.expiresAt)}: from then on its rules are not in force.`];
}

function describeOutOfStep({ key, why, nodes }: OutOfStep): string {
  return `Not what KV says: ${key}, ${WHY[why]} (on ${listNodes(nodes)}).`;
}

const WHY = {
  refused: "whose value in KV is no rule set, so an earlier one is in force",
  "other-version": "of which another version is in force",
  "not-in-kv": "which is in force and not seen in KV",
} as const;

function listNodes(nodes: readonly string[]): string {
  const left = nodes.length - MOST_NODES;
  return `${nodes.slice(0, MOST_NODES).join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

function describeSource({ source, seen }: Plan): string {
  const attachments = count(seen.attachments, "attachment");
  if (source === "status") return `Seen: the status of ${count(seen.nodes, "node")}, with ${attachments}.`;
  return `Seen: the state of this node alone, with ${attachments}.`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
