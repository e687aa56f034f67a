import * as fc from "fast-check";
import { expect, test } from "vitest";
import { html, renderHtml } from "../../../lib/web/html.ts";
import { name } from "../../../lib/web/words.ts";

const text = (...[strings, ...children]: Parameters<typeof html>) => renderHtml(html(strings, ...children));

test("what is put in is text, and what html made is markup", () => {
  expect(text`<p title="${`"'`}">${"<b>&amp;"}${html`<b>${1}</b>`}${undefined}${["x", html`<i>y</i>`]}</p>`).toBe(
    '<p title="&quot;&#39;">&lt;b&gt;&amp;amp;<b>1</b>x<i>y</i></p>',
  );
});

test("no text ends what it is put into", () => {
  const anything = fc.string({ unit: "binary", maxLength: 40 });
  fc.assert(
    fc.property(anything, (each) => {
      const rendered = text`<p a="${each}">${each}</p>`;
      const [, value = "", content = ""] = /^<p a="([^"]*)">([^<>]*)<\/p>$/.exec(rendered) ?? [];
      expect(value).toBe(content);
      expect(rendered).toContain(`>${content}<`);
      expect(content.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, "")).not.toMatch(/[&<>"']/);
    }),
  );
});

test("text does not turn the text around it, move a cursor or break what holds it", () => {
  expect(text`${"a\u202Eb\u2066c\u0000d\u001B[31me\uD800f"}`).toBe(
    "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}[31me\u{fffd}f",
  );
  expect(text`${name("\u05E9\u05DC\u05D5\u05DD")}`).toBe("<bdi>\u05E9\u05DC\u05D5\u05DD</bdi>");
});

test("a name of 10 kB is cut, and shows that it is", () => {
  const shown = text`${name("x".repeat(10_000))}`;
  expect(shown.length).toBeLessThan(200);
  expect(shown).toContain("x…</bdi>");
});
