import { html, type Html } from "./html.ts";
import { name } from "./words.ts";

/** `DROP tcp to …`: what it does first, in a colour and in a word. */
export function ruleText({ text, comment }: { readonly text: string; readonly comment?: string | undefined }): Html {
  const [word = "", ...rest] = text.split(" ");
  return html`<div class="rule">
    ${action(word)}
    <div>
      ${rest.join(" ")} ${comment === undefined ? undefined : html`<span class="note">${name(comment, 300)}</span>`}
    </div>
  </div>`;
}

/** `ACCEPT`, `DROP`, `REJECT`. */
export function action(word: string): Html {
  return html`<span class="action ${word === "ACCEPT" ? "accept" : "deny"}">${word}</span>`;
}
