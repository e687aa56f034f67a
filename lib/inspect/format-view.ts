import type { Counters } from "../netfilter/parse-ruleset.ts";
import { formatUnknown } from "./attachment-list.ts";
import type { AttachmentView, IdleView, RuleView } from "./attachment-view.ts";
import { describeIdentity } from "./describe.ts";
import type { Phase } from "./effective-rules.ts";
import { formatSeen } from "./seen-connections.ts";
import { wrap } from "../rules/wrap.ts";
import { alignColumns } from "./table.ts";

/** What `outbound show` prints of one attachment. */
export function formatView(view: AttachmentView, { nowMs }: { readonly nowMs: number }): string {
  const { kernel, defaultAction } = view;
  const facts = alignColumns([
    ["Allocation", view.allocation],
    ["Job", describeIdentity(view.identity)],
    ...(view.unidentified ? [["", `${formatUnknown(view.unidentified)}. ${WITHOUT_IDENTITY}`]] : []),
    ["Network", `${view.network}, ${view.ifname}`],
    ["Addresses", view.addresses.join(", ")],
    ["Chain", `${view.chain} (IPv4 ${kernel.ipv4}, IPv6 ${kernel.ipv6})`],
    ["To host", HOST_TRAFFIC[view.hostTraffic]],
  ]);
  const audited = view.audited.flatMap(({ rules }) => rules);
  const width = Math.max(
    ...[defaultAction, ...view.rules, ...audited].flatMap(({ counters }) =>
      counterCells(counters).map((cell) => cell.length),
    ),
    HEADING.length,
  );
  const counted = ({ counters, text }: Pick<RuleView, "counters" | "text">): string =>
    [...counterCells(counters).map((cell) => cell.padStart(width)), text].join("  ");
  const under = " ".repeat(2 * width + 4);
  const lines = (rule: RuleView): readonly string[] => [
    counted(rule),
    `${under}${rule.from}${rule.rule.comment === undefined ? "" : `: ${JSON.stringify(rule.rule.comment)}`}`,
  ];
  const list = [
    `${[HEADING, "BYTES"].map((cell) => cell.padStart(width)).join("  ")}  RULE, first match decides`,
    ...PHASES.flatMap(({ phase, title }) => {
      const rules = view.rules.filter((rule) => rule.phase === phase);
      return [title, ...(rules.length === 0 ? ["  none"] : rules.flatMap(lines))];
    }),
    DEFAULT_TITLE,
    counted({ ...defaultAction, text: `${defaultAction.action} everything else` }),
    ...formatSeen(view.denied, { nowMs }),
    ...(view.audited.length === 0 ? [] : ["Audited: decides nothing, counts what it would have decided"]),
    ...view.audited.flatMap(({ from, rules, seen }) => [
      `  ${from}`,
      ...rules.flatMap((rule) => [
        counted(rule),
        ...(rule.rule.comment === undefined ? [] : [`${under}${JSON.stringify(rule.rule.comment)}`]),
      ]),
      ...formatSeen(seen, { nowMs }),
    ]),
    ...formatIdle(view.idle),
  ];
  return [
    ...facts.map((line) => wrap(line, { indent: FACTS_INDENT })),
    "",
    ...list.map((line) => wrap(line, { indent: under.length })),
  ].join("\n");
}

export const WITHOUT_IDENTITY = "Only rule sets of all attachments, this node and its network apply";
const HEADING = "PACKETS";
/** Under the values of `Allocation` and the other facts. */
const FACTS_INDENT = 12;

/** In the order of the contract, section 6; the default action is the fourth. */
export const PHASES: readonly { readonly phase: Phase; readonly title: string }[] = [
  { phase: "deny", title: "1. Runtime and job rules that deny" },
  { phase: "static", title: "2. Static rules" },
  { phase: "accept", title: "3. Runtime and job rules that accept" },
];

export const DEFAULT_TITLE = "4. Default action";

export const HOST_TRAFFIC = {
  filter: "filtered by these rules too",
  allow: "left alone (hostTraffic allow)",
} as const;

export const WHY_IDLE: Readonly<Record<IdleView["why"], string>> = {
  expired: "expired",
  replaced: "KV has a rule set for this network",
};

function counterCells(counters: Counters | null): readonly [string, string] {
  return counters ? [String(counters.packets), String(counters.bytes)] : ["-", "-"];
}

function formatIdle(idle: readonly IdleView[]): readonly string[] {
  if (idle.length === 0) return [];
  return [
    "Not deciding now",
    ...idle.flatMap(({ from, why, texts }) => [`  ${from}: ${WHY_IDLE[why]}`, ...texts.map((text) => `    ${text}`)]),
  ];
}
