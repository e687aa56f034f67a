import { createHash } from "node:crypto";
import { html, type Child, type Html } from "./html.ts";

export interface Column<Row> {
  readonly label: string;
  readonly cell: (row: Row) => Child;
  /** Numbers end under each other; the header names the row for whoever hears it; a wide one has room for a sentence. */
  readonly kind?: "number" | "header" | "wide";
}

export interface TableOptions<Row> {
  readonly caption: Child;
  readonly columns: readonly Column<Row>[];
  /** Rows that belong together, under a heading of their own where there is one. */
  readonly groups: readonly RowGroup<Row>[];
  /** What tells a row from the others, for the script that changes rows in place. */
  readonly keyOf: (row: Row) => string;
}

export interface RowGroup<Row> {
  readonly title?: Child;
  readonly rows: readonly Row[];
  /** What is said where there are none; nothing where left out. */
  readonly empty?: string;
}

/** In a narrow window each row becomes a list, so every cell knows its column's name. */
export function table<Row>({ caption, columns, groups, keyOf }: TableOptions<Row>): Html {
  return html`<table>
    <caption>
      ${caption}
    </caption>
    <thead>
      <tr>
        ${columns.map(({ label, kind }) => html`<th scope="col" ${classOf(kind)}>${label}</th>`)}
      </tr>
    </thead>
    ${groups.map((group) => body(group, { columns, keyOf }))}
  </table>`;
}

function body<Row>(
  { title, rows, empty }: RowGroup<Row>,
  { columns, keyOf }: Pick<TableOptions<Row>, "columns" | "keyOf">,
): Html {
  const whole = String(columns.length);
  return html`<tbody>
    ${
      title === undefined
        ? undefined
        : html`<tr class="group">
            <th scope="rowgroup" colspan="${whole}">${title}</th>
          </tr>`
    }
    ${rows.map(
      (row) =>
        html`<tr data-key="${shortKey(keyOf(row))}">
          ${columns.map((column) => cell(column, row))}
        </tr> `,
    )}
    ${
      rows.length > 0 || empty === undefined
        ? undefined
        : html`<tr class="empty">
            <td colspan="${whole}">${empty}</td>
          </tr>`
    }
  </tbody>`;
}

function cell<Row>({ label, kind, cell: content }: Column<Row>, row: Row): Html {
  if (kind === "header") return html`<th scope="row" data-label="${label}">${content(row)}</th>`;
  return html`<td data-label="${label}" ${classOf(kind)}>${content(row)}</td>`;
}

/** Keys are made of other people's names, and these may be long. */
function shortKey(key: string): string {
  return createHash("sha256").update(key, "utf8").digest("base64url").slice(0, 12);
}

function classOf(kind: Column<unknown>["kind"]): Html {
  return kind === "number" || kind === "wide" ? html` class="${kind}"` : html``;
}
