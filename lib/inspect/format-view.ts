import type { Counters } from "../netfilter/parse-ruleset.ts";
import type { AttachmentView, IdleView, RuleView } from "./attachment-view.ts";
import { describeIdentity } from "./describe.ts";
import type { Phase } from "./effective-rules.ts";
import { alignColumns } from "./table.ts";

/** What `outbound show` prints of one attachment. */
export function formatView(view: AttachmentView): string {
  const { kernel, defaultAction } = view;
  const facts = alignColumns([
    ["Allocation", view.allocation],
    ["Job", describeIdentity(view.identity)],
    ["Network", `${view.network}, ${view.ifname}`],
    ["Addresses", view.addresses.join(", ")],
    ["Chain", `${view.chain} (IPv4 ${kernel.ipv4}, IPv6 ${kernel.ipv6})`],
    ["To host", HOST_TRAFFIC[view.hostTraffic]],
  ]);
  const width = Math.max(
    ...[defaultAction, ...view.rules].flatMap(({ counters }) => counterCells(counters).map((cell) => cell.length)),
    HEADING.length,
  );
  const lines = (rule: Pick<RuleView, "text" | "from" | "counters" | "rule">): readonly string[] => {
    const { comment } = rule.rule;
    const counts = counterCells(rule.counters).map((cell) => cell.padStart(width));
    return [
      `${counts.join("  ")}  ${rule.text}`,
      `${" ".repeat(2 * width + 4)}${rule.from}${comment === undefined ? "" : `: ${JSON.stringify(comment)}`}`,
    ];
  };
  return [
    ...facts,
    "",
    `${[HEADING, "BYTES"].map((cell) => cell.padStart(width)).join("  ")}  RULE, first match decides`,
    ...PHASES.flatMap(({ phase, title }) => {
      const rules = view.rules.filter((rule) => rule.phase === phase);
      return [title, ...(rules.length === 0 ? ["  none"] : rules.flatMap(lines))];
    }),
    "4. Default action",
    `${counterCells(defaultAction.counters)
      .map((cell) => cell.padStart(width))
      .join("  ")}  ${defaultAction.action} everything else`,
    ...formatIdle(view.idle),
  ].join("\n");
}

const HEADING = "PACKETS";

const PHASES: readonly { readonly phase: Phase; readonly title: string }[] = [
  { phase: "deny", title: "1. Runtime and job rules that deny" },
  { phase: "static", title: "2. Static rules" },
  { phase: "accept", title: "3. Runtime and job rules that accept" },
];

const HOST_TRAFFIC = {
  filter: "filtered by these rules too",
  allow: "left alone (hostTraffic allow)",
} as const;

const WHY: Readonly<Record<IdleView["why"], string>> = {
  audit: "mode audit",
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
    ...idle.flatMap(({ from, why, texts }) => [`  ${from}: ${WHY[why]}`, ...texts.map((text) => `    ${text}`)]),
  ];
}
