import type { AttachmentView, AuditedRuleView, AuditView, IdleView } from "../inspect/attachment-view.ts";
import { WHY_IDLE } from "../inspect/format-view.ts";
import { formatTarget, type SeenConnection } from "../inspect/seen-connections.ts";
import { html, type Html } from "./html.ts";
import { DENIED_SHOWN, RULES_SHOWN } from "./limits.ts";
import { ruleText } from "./rule-text.ts";
import { table, type Column } from "./table.ts";
import { code, count, moment, number, plural } from "./words.ts";

export interface SeenOptions {
  readonly caption: string;
  readonly empty: string;
  readonly nowMs: number;
  readonly hasVerdict?: boolean;
}

/** Connections that the kernel logged, the last first. */
export function seenTable(seen: AttachmentView["denied"], { caption, empty, nowMs, hasVerdict }: SeenOptions): Html {
  const left = seen.length - DENIED_SHOWN;
  const verdict: Column<SeenConnection> = { label: "Would be", cell: ({ wouldBe }) => wouldBe ?? "denied" };
  return table<SeenConnection>({
    caption: left > 0 ? `${caption} ${plural(left, "earlier kind")} of connection left out.` : caption,
    columns: [
      { label: "Last seen", cell: ({ lastSeen }) => moment(Date.parse(lastSeen), nowMs) },
      { label: "Destination", kind: "header", cell: (each) => code(formatTarget(each)) },
      ...(hasVerdict === true ? [verdict] : []),
      { label: "First seen", cell: ({ firstSeen }) => moment(Date.parse(firstSeen), nowMs) },
      { label: "Lines", kind: "number", cell: ({ lines }) => number(lines) },
    ],
    groups: [{ rows: seen.slice(0, DENIED_SHOWN), empty }],
    keyOf: ({ wouldBe = "", ...each }) => `${wouldBe} ${formatTarget(each)}`,
  });
}

/** Rule sets that only count. */
export function auditedSection(audited: readonly AuditView[], nowMs: number): Html | undefined {
  if (audited.length === 0) return undefined;
  return html`<h3>Audited</h3>
    <p>These decide nothing, and count what they would have decided.</p>
    ${audited.map(({ key, rules, seen, leftOut }) => [
      table<AuditedRuleView>({
        caption: [code(key, 600), leftOutNote((leftOut?.deny ?? 0) + (leftOut?.accept ?? 0))],
        columns: [
          { label: "Rule", kind: "header", cell: ({ text, rule }) => ruleText({ text, comment: rule.comment }) },
          { label: "Packets", kind: "number", cell: ({ counters }) => count(counters, "packets") },
          { label: "Bytes", kind: "number", cell: ({ counters }) => count(counters, "bytes") },
        ],
        groups: [{ rows: rules, empty: "It has no rules" }],
        keyOf: ({ text }) => text,
      }),
      seen.length === 0
        ? undefined
        : seenTable(seen, {
            caption: "What it would have decided of this allocation.",
            empty: "",
            nowMs,
            hasVerdict: true,
          }),
    ])}`;
}

function leftOutNote(left: number): string | undefined {
  return left > 0 ? `, with ${plural(left, "more rule")} that outbound show has` : undefined;
}

/** Rules that concern an attachment and decide nothing now. */
export function idleSection(idle: readonly IdleView[]): Html | undefined {
  if (idle.length === 0) return undefined;
  return html`<h3>Not deciding now</h3>
    ${idle.map(
      ({ from, why, texts }) =>
        html`<p>${code(from, 600)}: ${WHY_IDLE[why]}, ${plural(texts.length, "rule")}</p>
          <ul>
            ${texts.slice(0, RULES_SHOWN).map((text) => html`<li>${ruleText({ text })}</li>`)}
          </ul>`,
    )}`;
}
