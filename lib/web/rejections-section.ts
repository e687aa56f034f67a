import { html, type Html } from "./html.ts";
import { ISSUES_SHOWN, REJECTIONS_SHOWN } from "./limits.ts";
import type { NodeView, RejectedValue } from "./node-view.ts";
import { table } from "./table.ts";
import { code, moment, name, number, plural } from "./words.ts";

/** Keys of KV that are not in force as they are: what is wrong with each, and where in its value. */
export function rejectionsSection({ rejections, unknownKeys }: NodeView, nowMs: number): Html | undefined {
  if (rejections.length + unknownKeys.length === 0) return undefined;
  return html`<section data-key="rejections" aria-labelledby="rejections">
    <h2 id="rejections">Rejected keys</h2>
    ${rejections.length === 0 ? undefined : rejectedTable(rejections, nowMs)}
    ${unknownKeys.length === 0 ? undefined : unknownTable(unknownKeys)}
  </section>`;
}

function rejectedTable(rejections: readonly RejectedValue[], nowMs: number): Html {
  const left = rejections.length - REJECTIONS_SHOWN;
  return table<RejectedValue>({
    caption: [
      "Values that are no rule set. The last good version of each stays in force.",
      left > 0 ? ` ${plural(left, "more key")} left out.` : undefined,
    ],
    columns: [
      {
        label: "Key",
        kind: "header",
        cell: ({ key, modifyIndex }) => [code(key), html`<span class="note">version ${modifyIndex}</span>`],
      },
      { label: "What is wrong", kind: "wide", cell: issues },
      {
        label: "In force",
        cell: ({ keptModifyIndex }) =>
          keptModifyIndex === undefined
            ? html`<strong class="bad">nothing of it</strong>`
            : `version ${keptModifyIndex}`,
      },
      { label: "Since", cell: ({ sinceMs }) => moment(sinceMs, nowMs) },
    ],
    groups: [{ rows: rejections.slice(0, REJECTIONS_SHOWN) }],
    keyOf: ({ key }) => key,
  });
}

function issues({ issues: all }: RejectedValue): Html {
  const left = all.length - ISSUES_SHOWN;
  return html`<ul>
    ${all
      .slice(0, ISSUES_SHOWN)
      .map(
        ({ line, column, path, message }) =>
          html`<li>line ${number(line)}, column ${number(column)}: ${code(path)}: ${name(message, 400)}</li>`,
      )}
    ${left > 0 ? html`<li>and ${number(left)} more</li>` : undefined}
  </ul>`;
}

function unknownTable(unknownKeys: NodeView["unknownKeys"]): Html {
  const left = unknownKeys.length - REJECTIONS_SHOWN;
  return table<NodeView["unknownKeys"][number]>({
    caption: [
      "Keys that fit no scope, and so apply to nothing.",
      left > 0 ? ` ${plural(left, "more key")} left out.` : undefined,
    ],
    columns: [
      { label: "Key", kind: "header", cell: ({ key }) => code(key) },
      { label: "Why", kind: "wide", cell: ({ reason }) => name(reason, 400) },
    ],
    groups: [{ rows: unknownKeys.slice(0, REJECTIONS_SHOWN) }],
    keyOf: ({ key }) => key,
  });
}
