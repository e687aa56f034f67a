import { formatTarget } from "../inspect/seen-connections.ts";
import { html, type Html } from "./html.ts";
import { DENIED_SHOWN } from "./limits.ts";
import type { DeniedConnection, NodeView } from "./node-view.ts";
import { table } from "./table.ts";
import { attachmentPath, code, identity, moment, number, plural } from "./words.ts";

/** What default actions denied lately, as far as the kernel's log tells. */
export function deniedSection({ denied, isDeniedLogged }: NodeView, nowMs: number): Html {
  const left = denied.length - DENIED_SHOWN;
  return html`<section data-key="denied" aria-labelledby="denied">
    <h2 id="denied">Denied lately</h2>
    ${table<DeniedConnection>({
      caption: [
        "What the default action stopped, the last first, from the kernel's log: a sample of a few lines a second, where counters count all.",
        left > 0 ? ` ${plural(left, "earlier kind")} of connection left out.` : undefined,
      ],
      columns: [
        { label: "Last seen", cell: ({ lastSeen }) => moment(Date.parse(lastSeen), nowMs) },
        { label: "Destination", kind: "header", cell: (each) => code(formatTarget(each)) },
        { label: "Job", cell: (each) => identity(each) },
        { label: "Allocation", cell: allocation },
        { label: "Lines", kind: "number", cell: ({ lines }) => number(lines) },
      ],
      groups: [{ rows: denied.slice(0, DENIED_SHOWN), empty: emptyText(isDeniedLogged) }],
      keyOf: ({ allocation: id, network, protocol, destination, port }) =>
        [id, network, protocol, destination, port ?? ""].join(" "),
    })}
  </section>`;
}

function allocation({ allocation: id, chain }: DeniedConnection): Html {
  const short = code(id.slice(0, 8));
  return chain === undefined
    ? html`${short} <span class="away">gone</span>`
    : html`<a href="${attachmentPath({ chain })}">${short}</a>`;
}

function emptyText(isDeniedLogged: boolean): string {
  return isDeniedLogged
    ? "Nothing was"
    : "Not known: no conflist here has logDenied, so the kernel logs nothing. Counters of default actions are below.";
}
