import { toPrintable } from "../inspect/printable.ts";

const MARKUP: unique symbol = Symbol("markup");

/** Text that is HTML. Only `html` makes it, so that whatever else is put into a page is escaped. */
export interface Html {
  readonly [MARKUP]: string;
}

/** What a page is put together from. Nothing is shown for what is undefined. */
export type Child = string | number | Html | undefined | readonly Child[];

/**
 * Puts values into HTML, as text or as the value of an attribute in double quotes: nowhere else. Names and rules are
 * other people's: what would be markup, move the text's direction or control a terminal is shown as what it is.
 */
export function html(strings: TemplateStringsArray, ...children: readonly Child[]): Html {
  const parts = strings.flatMap((text, index) => [
    text,
    ...(index < children.length ? [toMarkup(children[index])] : []),
  ]);
  return { [MARKUP]: parts.join("") };
}

/** As it goes to a browser. */
export function renderHtml(page: Html): string {
  return page[MARKUP];
}

function toMarkup(child: Child): string {
  if (child === undefined) return "";
  if (typeof child === "string") return escape(child);
  if (typeof child === "number") return String(child);
  return MARKUP in child ? child[MARKUP] : child.map(toMarkup).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return toPrintable(text).replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
