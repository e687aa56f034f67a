import { formatTimestamp } from "../policy/timestamp.ts";
import { describeDuration } from "../status/describe-duration.ts";
import { html, renderHtml, type Child, type Html } from "./html.ts";
import { name } from "./words.ts";

export interface PageOptions {
  /** What is most worth knowing first: people have many tabs. */
  readonly title: string;
  /** The path of its place in the navigation. */
  readonly place: "/" | "/cluster" | undefined;
  readonly node: string;
  /** Of the watcher. */
  readonly version: string;
  readonly nowMs: number;
  /** When the kernel's counters on it were read, where there are any. */
  readonly countedAtMs?: number;
  readonly main: Child;
}

/** A whole document. What changes is inside `main`: the script renews that, and whoever has none loads the page again. */
export function renderPage({ title, place, node, version, nowMs, countedAtMs, main }: PageOptions): string {
  const link = (path: string, text: string) =>
    html`<li>
      <a href="${path}" ${place === path ? html` aria-current="page"` : undefined}>${text}</a>
    </li>`;
  return renderHtml(
    html`<!doctype html>
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>${title} · outbound</title>
          <link rel="stylesheet" href="/style.css" />
          <link rel="icon" href="/icon.svg" type="image/svg+xml" />
          <script src="/live.js" defer></script>
        </head>
        <body>
          <a class="skip" href="#main">Skip to content</a>
          <header>
            <p class="brand">outbound <span>on ${name(node, 64)}</span></p>
            <nav aria-label="Pages">
              <ul>
                ${link("/", "This node")} ${link("/cluster", "Cluster")}
              </ul>
            </nav>
            <div id="live" hidden>
              <span id="live-state" role="status"></span>
              <button id="live-pause" type="button">Pause</button>
            </div>
            <noscript><p>Load the page again for new numbers.</p></noscript>
          </header>
          <main id="main" tabindex="-1">${main} ${asOf(nowMs, countedAtMs)}</main>
          <footer>
            <p>
              outbound ${version}. This page changes nothing: rules are written with <code>outbound rules put</code>.
            </p>
          </footer>
        </body>
      </html> `,
  );
}

function asOf(nowMs: number, countedAtMs: number | undefined): Html {
  const exact = formatTimestamp(nowMs);
  const ageMs = countedAtMs === undefined ? 0 : nowMs - countedAtMs;
  return html`<p class="as-of">
    As of <time datetime="${exact}">${exact.slice(0, 19).replace("T", " ")}Z</time>.
    ${ageMs < 1000 ? undefined : `Counters were read ${describeDuration(ageMs)} before.`} All times are UTC.
  </p>`;
}

export interface Verdict {
  readonly level: "good" | "warn" | "bad";
  readonly title: string;
  readonly lines: readonly Child[];
}

/** What is wrong, or that nothing is: in words, so that no colour has to be seen. */
export function verdict({ level, title, lines }: Verdict): Html {
  return html`<section class="verdict ${level}" aria-labelledby="verdict">
    <h2 id="verdict">${title}</h2>
    ${lines.length === 1 ? html`<p>${lines}</p>` : undefined}
    ${
      lines.length > 1
        ? html`<ul>
            ${lines.map((line) => html`<li>${line}</li>`)}
          </ul>`
        : undefined
    }
  </section>`;
}

/** Names and values, as tiles. */
export function facts(pairs: readonly (readonly [string, Child])[], kind: "tiles" | "list"): Child {
  return html`<dl class="${kind}">
    ${pairs.map(
      ([term, value]) =>
        html`<div>
          <dt>${term}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

/** A page that says one thing: why there is no other. */
export function renderMessage(
  options: Omit<PageOptions, "main" | "place"> & { readonly lines: readonly Child[] },
): string {
  const { title, lines } = options;
  return renderPage({
    ...options,
    place: undefined,
    main: html`<h1>${title}</h1>
      ${lines.map((line) => html`<p class="message">${line}</p>`)}`,
  });
}
