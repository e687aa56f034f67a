import { formatUnknown } from "../inspect/attachment-list.ts";
import { html, type Child, type Html } from "./html.ts";
import type { AttachmentsPage, CountedAttachment } from "./node-view.ts";
import { action } from "./rule-text.ts";
import { table } from "./table.ts";
import { attachmentPath, code, count, identity, kernelState, name, number, plural } from "./words.ts";

/** The attachments of this node, a part at a time, and a search among them. */
export function attachmentsSection(list: AttachmentsPage): Html {
  const { rows, query } = list;
  return html`<section data-key="attachments" aria-labelledby="attachments">
    <h2 id="attachments">Allocations</h2>
    <form action="/" method="get" role="search">
      <label for="q">Job, allocation, network or address</label>
      <input id="q" name="q" type="search" value="${query}" maxlength="200" />
      <button type="submit">Search</button>
      ${query === "" ? undefined : html`<a href="/#attachments">Show all</a>`}
    </form>
    ${table<CountedAttachment>({
      caption: [
        summary(list),
        " Packets and bytes are what the default action decided of each; rules that are shared count on an allocation's own page.",
      ],
      columns: [
        {
          label: "Job",
          kind: "header",
          cell: ({ identity: known, unidentified }) => [
            identity(known),
            unidentified ? html`<div>${formatUnknown(unidentified)}</div>` : undefined,
          ],
        },
        {
          label: "Allocation",
          cell: (each) => html`<a href="${attachmentPath(each)}">${code(each.allocation.slice(0, 8))}</a>`,
        },
        { label: "Network", cell: ({ network }) => name(network, 60) },
        { label: "Addresses", cell: ({ addresses }) => addresses.map((each) => html`<div>${each}</div>`) },
        { label: "In kernel", cell: ({ kernel }) => kernelState(kernel) },
        { label: "Default", cell: ({ defaultAction }) => action(defaultAction.action) },
        { label: "Packets", kind: "number", cell: ({ defaultAction }) => count(defaultAction.counters, "packets") },
        { label: "Bytes", kind: "number", cell: ({ defaultAction }) => count(defaultAction.counters, "bytes") },
      ],
      groups: [
        { rows, empty: query === "" ? "No container on this node is attached with outbound" : "None is like that" },
      ],
      keyOf: ({ chain }) => chain,
    })}
    ${pager(list)}
  </section>`;
}

function summary({ rows, query, matching, page, pages }: AttachmentsPage): Child {
  const all = plural(matching, "attachment");
  const which = query === "" ? all : html`${all} like “${name(query, 60)}”`;
  return pages > 1 ? html`${which}, ${number(rows.length)} on page ${page} of ${pages}.` : html`${which}.`;
}

function pager({ query, page, pages }: AttachmentsPage): Html | undefined {
  if (pages <= 1) return undefined;
  const path = (to: number) => `/?${query === "" ? "" : `q=${encodeURIComponent(query)}&`}page=${to}#attachments`;
  return html`<nav class="pages" aria-label="Pages of allocations">
    ${page > 1 ? html`<a href="${path(page - 1)}" rel="prev">Previous page</a>` : undefined}
    <span>Page ${page} of ${pages}</span>
    ${page < pages ? html`<a href="${path(page + 1)}" rel="next">Next page</a>` : undefined}
  </nav>`;
}
