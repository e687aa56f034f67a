import { describeRule, SHOWN_HOSTS } from "../inspect/describe.ts";
import { formatCidr, type Cidr } from "../policy/address.ts";
import { formatRule, type Rule } from "../policy/rule.ts";
import type { RuleSet } from "../policy/rule-set.ts";
import { formatTimestamp } from "../policy/timestamp.ts";
import { diffLists, type Change } from "./line-diff.ts";
import { wrap } from "./wrap.ts";

const MOST_LINES = 60;

/** What changes from one version of a rule set to the next, a line each; undefined is a rule set that is not there. */
export function describeChanges(before: RuleSet | undefined, after: RuleSet | undefined): readonly string[] {
  const changes = diffLists(before?.rules ?? [], after?.rules ?? [], { textOf: identityOf });
  const lines = [...describeFacts(before, after), ...describeRules(changes)].map((line) => wrap(line, { indent: 4 }));
  const more = lines.length - MOST_LINES;
  const unchanged = changes.filter(({ sign }) => sign === "=").length;
  return [
    ...lines.slice(0, MOST_LINES),
    ...(more > 0 ? [`… and ${more} more lines`] : []),
    ...(unchanged > 0 ? [`  ${countRules(unchanged)} unchanged`] : []),
  ];
}

/** `1 rule`, `2 rules`. */
export function countRules(count: number): string {
  return `${count} ${count === 1 ? "rule" : "rules"}`;
}

/** `2026-12-31T18:00:00Z`; milliseconds only where there are some. */
export function describeTime(epochMs: number): string {
  return formatTimestamp(epochMs).replace(".000Z", "Z");
}

function identityOf(rule: Rule): string {
  return JSON.stringify(formatRule(rule));
}

const FACTS: readonly { readonly name: string; readonly factOf: (ruleSet: RuleSet) => string | undefined }[] = [
  { name: "mode", factOf: ({ mode }) => mode },
  { name: "expires", factOf: ({ expiresAt }) => (expiresAt === undefined ? undefined : describeTime(expiresAt)) },
  {
    name: "description",
    factOf: ({ description }) => (description === undefined ? undefined : JSON.stringify(description)),
  },
];

function describeFacts(before: RuleSet | undefined, after: RuleSet | undefined): readonly string[] {
  return FACTS.flatMap(({ name, factOf }) => {
    const [old, now] = [before, after].map((ruleSet) => ruleSet && factOf(ruleSet));
    if (old === now) return [];
    if (before === undefined || after === undefined) return [`${after ? "+" : "-"} ${name}: ${now ?? old}`];
    return [`  ${name}: ${old ?? "none"} → ${now ?? "none"}`];
  });
}

function describeRules(changes: readonly Change<Rule>[]): readonly string[] {
  const paired = new Set<Rule>();
  return changes.flatMap(({ sign, item }, index) => {
    if (sign === "=" || paired.has(item)) return [];
    if (sign === "-") {
      const now = findLongList(item, changes.slice(index + 1), paired);
      if (now) {
        paired.add(now);
        return [`~ ${describeWithComment(now)}: ${describeHostChanges(item.hosts, now.hosts)}`];
      }
    }
    return [`${sign} ${describeWithComment(item)}`];
  });
}

/** The rule that came in this one's place and has other addresses of a list too long to be shown whole. */
function findLongList(old: Rule, following: readonly Change<Rule>[], paired: ReadonlySet<Rule>): Rule | undefined {
  const end = following.findIndex(({ sign }) => sign === "=");
  const hunk = end === -1 ? following : following.slice(0, end);
  return hunk.find(
    ({ sign, item }) =>
      sign === "+" &&
      !paired.has(item) &&
      Math.min(old.hosts.length, item.hosts.length) > 0 &&
      Math.max(old.hosts.length, item.hosts.length) > SHOWN_HOSTS &&
      identityOf({ ...old, hosts: item.hosts }) === identityOf(item),
  )?.item;
}

function describeWithComment(rule: Rule): string {
  return describeRule(rule) + (rule.comment === undefined ? "" : ` (${JSON.stringify(rule.comment)})`);
}

function describeHostChanges(before: readonly Cidr[], after: readonly Cidr[]): string {
  const [old, now] = [before, after].map((hosts) => new Set(hosts.map(formatCidr)));
  const added = [...(now ?? [])].filter((host) => old?.has(host) !== true);
  const removed = [...(old ?? [])].filter((host) => now?.has(host) !== true);
  const parts = [describeHosts("with", added), describeHosts("without", removed)].filter((part) => part !== "");
  return parts.length === 0 ? "in another order" : parts.join(", ");
}

function describeHosts(word: string, hosts: readonly string[]): string {
  if (hosts.length === 0) return "";
  const shown = hosts.slice(0, SHOWN_HOSTS).join(", ");
  return `${word} ${shown}${hosts.length > SHOWN_HOSTS ? ` and ${hosts.length - SHOWN_HOSTS} more` : ""}`;
}
