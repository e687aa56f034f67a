import type { AttachmentView, RuleView } from "../inspect/attachment-view.ts";
import { formatUnknown } from "../inspect/attachment-list.ts";
import { DEFAULT_TITLE, HOST_TRAFFIC, PHASES, WITHOUT_IDENTITY } from "../inspect/format-view.ts";
import type { RuntimeRules } from "../policy/runtime-rules.ts";
import { auditedSection, idleSection, seenTable } from "./aside-sections.ts";
import { html, type Html } from "./html.ts";
import { facts, renderPage, type PageOptions } from "./layout.ts";
import { ruleText } from "./rule-text.ts";
import { sourcesOf, sourcesSection } from "./sources-section.ts";
import { table } from "./table.ts";
import { code, count, identity, kernelState, moment, name, plural } from "./words.ts";

export interface AllocationPage {
  /** Of one allocation, one for each network; at least one. */
  readonly views: readonly AttachmentView[];
  /** What the kernel has. */
  readonly runtimeRules: RuntimeRules;
}

/** What decides the packets of an allocation, in the order in which it does. */
export function renderAllocationPage(
  { views, runtimeRules }: AllocationPage,
  about: Pick<PageOptions, "node" | "version" | "nowMs" | "countedAtMs">,
): string {
  const [first] = views;
  const id = first?.allocation ?? "";
  return renderPage({
    ...about,
    title: `${id.slice(0, 8)} · ${about.node.slice(0, 64)}`,
    place: undefined,
    main: html`<h1>
        Allocation ${code(id.slice(0, 8))}
        <small>${first === undefined ? undefined : identity(first.identity)}</small>
      </h1>
      ${views.map((view) => attachment(view, { runtimeRules, nowMs: about.nowMs }))}`,
  });
}

interface Context {
  readonly runtimeRules: RuntimeRules;
  readonly nowMs: number;
}

function attachment(view: AttachmentView, context: Context): Html {
  const { nowMs } = context;
  return html`<section data-key="${view.chain}" aria-labelledby="${view.chain}">
    <h2 id="${view.chain}">On network ${name(view.network)}</h2>
    ${facts(
      [
        ["Allocation", code(view.allocation)],
        ...(view.unidentified
          ? ([["Identity", `${formatUnknown(view.unidentified)}. ${WITHOUT_IDENTITY}`]] as const)
          : []),
        ["Addresses", view.addresses.join(", ")],
        ["Interface", name(view.ifname)],
        ["Chain", html`${code(view.chain)}, reached from ${code(view.mainChain)}`],
        ["In kernel", kernelState(view.kernel)],
        ["To the host", HOST_TRAFFIC[view.hostTraffic]],
        ["Attached", moment(Date.parse(view.addedAt), nowMs)],
      ],
      "list",
    )}
    ${rulesTable(view)} ${sourcesSection(sourcesOf(view, context), context)}
    <h3>Denied lately</h3>
    ${seenTable(view.denied, {
      caption: "What the default action stopped, the last first, as far as the kernel logs it (logDenied).",
      empty: "Nothing that is logged",
      nowMs,
    })}
    ${auditedSection(view.audited, nowMs)} ${idleSection(view.idle)}
  </section>`;
}

/** One row of the table: a rule, or the default action, which has no source but the conflist. */
interface Row extends Pick<RuleView, "text" | "counters" | "from"> {
  readonly key: string;
  readonly comment: string | undefined;
}

function rulesTable(view: AttachmentView): Html {
  const { defaultAction } = view;
  const last: Row = {
    key: "default",
    text: `${defaultAction.action} everything else`,
    counters: defaultAction.counters,
    from: "conflist defaultAction",
    comment: undefined,
  };
  return table<Row>({
    caption:
      "Rules in order of decision: the first that matches decides. Packets and bytes are of every attachment that a rule applies to, those of the default action of this one alone.",
    columns: [
      { label: "Rule", kind: "header", cell: ruleText },
      { label: "From", kind: "wide", cell: ({ from }) => code(from, 600) },
      { label: "Packets", kind: "number", cell: ({ counters }) => count(counters, "packets") },
      { label: "Bytes", kind: "number", cell: ({ counters }) => count(counters, "bytes") },
    ],
    groups: [
      ...PHASES.map(({ phase, title }) => {
        const rules = view.rules.filter((rule) => rule.phase === phase);
        const left = view.leftOut?.[phase] ?? 0;
        return {
          title:
            left > 0
              ? `${title}: the first ${plural(rules.length, "rule")}, outbound show has ${plural(left, "more", "more")}`
              : title,
          rows: rules.map(toRow),
          empty: "None",
        };
      }),
      { title: DEFAULT_TITLE, rows: [last] },
    ],
    keyOf: ({ key }) => key,
  });
}

function toRow({ text, counters, from, rule, phase }: RuleView): Row {
  return { key: `${phase} ${from}`, text, counters, from, comment: rule.comment };
}
