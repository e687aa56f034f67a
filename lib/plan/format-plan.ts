import { describeIdentity } from "../inspect/describe.ts";
import { alignColumns, elide } from "../inspect/table.ts";
import type { Identity } from "../policy/attachment.ts";
import { isInForce, type RuleSet } from "../policy/rule-set.ts";
import { describePut } from "../rules/describe-put.ts";
import type { RuleSetEntry } from "../rules/entry.ts";
import { toOneLine } from "../rules/one-line.ts";
import { describeChanges, describeTime } from "../rules/rule-set-diff.ts";
import { wrap } from "../rules/wrap.ts";
import type { AffectedMember } from "./affected.ts";
import { countAttachments } from "./attached.ts";
import { formatEffect } from "./format-effect.ts";
import { describeOutOfStep, describePlannedOutOfStep, listNodes } from "./format-out-of-step.ts";
import { describeHints } from "./near-scopes.ts";
import type { OutOfStep } from "./out-of-step.ts";
import type { Effect, Plan } from "./plan.ts";

const MOST_GROUPS = 10;
const MOST_NOTES = 10;
const IDENTITY_WIDTH = 50;

export interface FormatOptions {
  readonly nowMs: number;
  /** More that has to be said: what could not be read. */
  readonly notes: readonly string[];
}

/** A plan for people: lines of at most 80 columns. */
export function formatPlan(plan: Plan, { nowMs, notes }: FormatOptions): string {
  const { effects } = plan;
  const outOfStep = plan.outOfStep.filter(({ key, comparedWith }) => key !== plan.key || comparedWith === "in-force");
  const headings = describeEach(effects);
  const sections = [
    [describeWrite(plan)],
    formatMembers(plan),
    ...effects.map((effect, index) => [
      ...(effects.length > 1 ? [wrap(`For ${headings[index]}:`, { indent: 2 })] : []),
      ...formatVerdicts(effect, { plan, nowMs }),
    ]),
    [
      ...outOfStep.slice(0, MOST_NOTES).map((each) => `${describe(each, plan)}.`),
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

function formatMembers({ effects, scope, seen, source, ...hints }: Plan): readonly string[] {
  const members = effects.flatMap((effect) => effect.members);
  if (seen.attachments === 0) return ["No attachment is seen: whom it applies to is not known"];
  if (members.length === 0) {
    const where = source === "status" ? "on any node" : "on this node";
    const hint = describeHints(hints, scope);
    return [
      `It matches no allocation ${where}`,
      ...(hint === undefined ? [] : [wrap(`  ${hint.charAt(0).toUpperCase()}${hint.slice(1)}`, { indent: 4 })]),
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

/** Groups of the same names are told apart by their nodes. */
function describeEach(effects: readonly Effect[]): readonly string[] {
  const names = effects.map(({ members }) => describeNames(members));
  return effects.map(({ members }, index) => {
    const own = names[index] ?? "";
    const isUnique = names.filter((name) => name === own).length === 1;
    return isUnique ? own : `${own} on ${listNodes([...new Set(members.map(({ node }) => node))].toSorted())}`;
  });
}

function describeNames(members: readonly AffectedMember[]): string {
  const groups = countGroups(members);
  const shown = groups.slice(0, 3).map(({ name, attachments }) => `${elide(name, IDENTITY_WIDTH)} (${attachments})`);
  const left = groups.length - shown.length;
  return `${shown.join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

interface VerdictOptions {
  readonly plan: Plan;
  readonly nowMs: number;
}

function formatVerdicts(effect: Effect, options: VerdictOptions): readonly string[] {
  const { plan } = options;
  const lines = formatEffect(effect);
  const unknown = effect.outOfStep
    .filter(({ key, comparedWith }) => key === plan.key && comparedWith !== "in-force")
    .map((each) => wrap(`NOT ALL: ${describe(each, plan)}`, { indent: 2 }));
  if (unknown.length > 0 || effect.changes.length > 0 || effect.notCompared > 0) return [...unknown, ...lines];
  if (!effect.isComplete) return ["No verdict changes where nodes have what KV has.", ...lines];
  return lines.length > 0 ? ["No verdict changes.", ...lines] : [wrap(describeNothing(options), { indent: 2 })];
}

function describe(found: OutOfStep, { key }: Plan): string {
  return found.key === key ? describePlannedOutOfStep(found) : describeOutOfStep(found);
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

function describeSource({ source, seen }: Plan): string {
  const attachments = count(seen.attachments, "attachment");
  if (source === "status") return `Seen: the status of ${count(seen.nodes, "node")}, with ${attachments}.`;
  return `Seen: the state of this node alone, with ${attachments}.`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
