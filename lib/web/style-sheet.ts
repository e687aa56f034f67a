/** How pages look: by night and by day, from 320 pixels on, on paper too. Text has a contrast of 4.5 and more (WCAG AA). */
export const STYLE_SHEET = `:root {
  color-scheme: light dark;
  --ground: #f6f7f8;
  --panel: #ffffff;
  --text: #1b2127;
  --soft: #55606b;
  --line: #d8dde2;
  --link: #0b579f;
  --good: #17693a;
  --good-ground: #e9f5ed;
  --warn: #805000;
  --warn-ground: #fbf3e1;
  --bad: #a1231b;
  --bad-ground: #fcedeb;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161a;
    --panel: #1a1f25;
    --text: #e3e8ec;
    --soft: #9caab6;
    --line: #323b44;
    --link: #82bbf7;
    --good: #74cf96;
    --good-ground: #16271d;
    --warn: #e6b75c;
    --warn-ground: #2c2413;
    --bad: #ff968c;
    --bad-ground: #33191a;
  }
}
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0;
  background: var(--ground);
  color: var(--text);
  font: 0.9375rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere;
}
header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
a { color: var(--link); text-underline-offset: 0.15em; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px; }
main:focus { outline: none; }
.skip { position: absolute; left: 1rem; top: -4rem; padding: 0.5rem 1rem; background: var(--panel); z-index: 1; }
.skip:focus { top: 0.5rem; }

header { display: flex; flex-wrap: wrap; align-items: center; gap: 0.25rem 1.5rem; padding-block: 0.9rem; min-height: 3.6rem; }
header p, header ul { margin: 0; padding: 0; }
.brand { font-weight: 700; }
.brand span { font-weight: 400; color: var(--soft); }
nav ul { display: flex; gap: 0.25rem; list-style: none; }
nav a { display: block; padding: 0.25rem 0.7rem; border-radius: 0.3rem; text-decoration: none; }
nav a:hover { text-decoration: underline; }
nav a[aria-current] { background: var(--line); color: var(--text); font-weight: 600; }
#live { display: flex; align-items: center; gap: 0.75rem; margin-left: auto; color: var(--soft); font-size: 0.875rem; }
#live[hidden] { display: none; }
#live-state::before { content: ""; display: inline-block; width: 0.55em; height: 0.55em; margin-right: 0.45em; border-radius: 50%; background: var(--good); }
.stale #live-state { color: var(--warn); }
.stale #live-state::before { border-radius: 0; background: var(--warn); }
noscript { margin-left: auto; color: var(--soft); font-size: 0.875rem; }
button, input {
  font: inherit;
  color: inherit;
  background: var(--panel);
  border: 1px solid var(--soft);
  border-radius: 0.3rem;
  padding: 0.2rem 0.7rem;
}
button { cursor: pointer; }

h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.75rem 0 1rem; }
h1 small { display: block; font-size: 0.9375rem; font-weight: 400; color: var(--soft); }
h3 { font-size: 0.9375rem; margin: 1.5rem 0 0.4rem; }
h2 { font-size: 1.1rem; line-height: 1.3; margin: 2rem 0 0.5rem; }
p { margin: 0 0 0.75rem; max-width: 48rem; }
code { font-family: var(--mono); font-size: 0.9em; }
time, .number, dd, .order { font-variant-numeric: tabular-nums; }
.away, .note, .none, .as-of, footer { color: var(--soft); }
.note { display: block; font-size: 0.875rem; font-weight: 400; }
.rule { display: flex; gap: 0.75rem; font-weight: 400; }
.state { white-space: nowrap; }
.good { color: var(--good); }
.warn { color: var(--warn); }
.bad { color: var(--bad); }

.verdict { border: 1px solid; border-left-width: 0.4rem; border-radius: 0.35rem; padding: 0.75rem 1rem; margin: 0 0 1rem; }
.verdict h2 { margin: 0; font-size: 1.25rem; }
.verdict p, .verdict ul { margin: 0.25rem 0 0; color: var(--text); }
.verdict ul { padding-left: 1.2rem; }
.verdict.good { background: var(--good-ground); }
.verdict.warn { background: var(--warn-ground); }
.verdict.bad { background: var(--bad-ground); }

dl { margin: 0 0 1rem; }
dt { overflow-wrap: normal; color: var(--soft); font-size: 0.875rem; }
dd { margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.75rem; }
.tiles div { background: var(--panel); border: 1px solid var(--line); border-radius: 0.35rem; padding: 0.55rem 0.9rem; }
.tiles dd { font-size: 1.35rem; font-weight: 600; line-height: 1.3; }
.list { background: var(--panel); border: 1px solid var(--line); border-radius: 0.35rem; padding: 0.35rem 0; }
.list div { display: grid; grid-template-columns: 9rem 1fr; gap: 0 1rem; padding: 0.25rem 1rem; }

table { width: 100%; border-collapse: collapse; background: var(--panel); border: 1px solid var(--line); margin: 0 0 1rem; }
caption { text-align: left; padding: 0 0 0.5rem; color: var(--soft); }
th, td { padding: 0.4rem 0.75rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { font-size: 0.8125rem; font-weight: 600; color: var(--soft); vertical-align: bottom; overflow-wrap: normal; }
tbody th { font-weight: 600; }
.group th { background: var(--ground); font-weight: 600; padding-top: 0.6rem; }
.number { text-align: right; white-space: nowrap; }
.wide { width: 40%; }
.empty td { color: var(--soft); }
td ul { margin: 0; padding: 0; list-style: none; }
.action { flex: none; min-width: 3.9rem; font-family: var(--mono); font-size: 0.875em; font-weight: 700; }
.action.accept { color: var(--good); }
.action.deny { color: var(--bad); }
form { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; margin: 0 0 0.75rem; }
input { flex: 0 1 20rem; min-width: 0; }
.pages { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: center; }
footer { padding-block: 0.5rem 2rem; font-size: 0.875rem; }
.as-of { font-size: 0.875rem; }

@media (max-width: 48rem) {
  header, main, footer { padding-inline: 0.9rem; }
  #live, noscript { margin-left: 0; }
  .list div { grid-template-columns: 6rem 1fr; padding-inline: 0.75rem; gap: 0 0.75rem; }
  .rule { flex-direction: column; gap: 0; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.5rem; }
  table, caption, tbody, tr, th, td { display: block; width: auto; }
  table { border: 0; background: none; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { background: var(--panel); border: 1px solid var(--line); border-radius: 0.35rem; margin: 0 0 0.5rem; padding: 0.35rem 0; }
  tr.group { background: none; border: 0; margin: 0.75rem 0 0.25rem; padding: 0; }
  th, td { border: 0; padding: 0.15rem 0.75rem; }
  .group th { background: none; padding-left: 0; }
  td[data-label], th[data-label] { position: relative; padding-left: 6.75rem; min-height: 1.8rem; }
  td[data-label]::before, th[data-label]::before { content: attr(data-label); position: absolute; left: 0.75rem; width: 5.75rem; color: var(--soft); font-size: 0.8125rem; font-weight: 400; padding-top: 0.1em; }
  .number { text-align: left; }
  .wide { width: auto; }
}
@media (forced-colors: active) {
  .verdict { border-color: CanvasText; }
  nav a[aria-current] { outline: 2px solid; }
}
@media print {
  nav, #live, .skip, form { display: none; }
}
`;
