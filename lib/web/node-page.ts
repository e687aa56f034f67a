import { EXPIRY_SHOWN, PREFIXES_SHOWN, PROBLEMS_SHOWN } from "./limits.ts";
import { html, type Child, type Html } from "./html.ts";
import { facts, renderPage, verdict, type PageOptions } from "./layout.ts";
import { attachmentsSection } from "./attachments-section.ts";
import { deniedSection } from "./denied-section.ts";
import { rejectionsSection } from "./rejections-section.ts";
import type { NodeView, WatchedPrefix } from "./node-view.ts";
import { table } from "./table.ts";
import { code, moment, name, number, plural, scopeName } from "./words.ts";

/** What this node enforces now, and what is wrong with it: the first things first. */
export function renderNodePage(
  view: NodeView,
  about: Pick<PageOptions, "node" | "version" | "nowMs" | "countedAtMs">,
): string {
  const { isInSync, problems, rejections, unknownKeys, denied } = view;
  const { node, nowMs } = about;
  const bad = rejections.length + unknownKeys.length;
  return renderPage({
    ...about,
    title: `${isInSync ? "In sync" : "NOT IN SYNC"} · ${node.slice(0, 64)}`,
    place: "/",
    main: html`<h1>Node ${name(node)}</h1>
      ${verdict({ level: isInSync ? (bad === 0 ? "good" : "warn") : "bad", title: titleOf(view), lines: linesOf(view) })}
      ${facts(
        [
          ["Attachments", link("#attachments", number(view.counts.attachments))],
          ["Rule sets in force", number(view.counts.enforced)],
          ["Audited", number(view.counts.audited)],
          ["Expired", number(view.counts.expired)],
          ["Rejected keys", bad === 0 ? "0" : link("#rejections", number(bad))],
          ["Denied lately", link("#denied", number(denied.length))],
        ],
        "tiles",
      )}
      ${problems.length > 0 ? prefixesSection(view, nowMs) : undefined} ${rejectionsSection(view, nowMs)}
      ${deniedSection(view, nowMs)} ${attachmentsSection(view.list)} ${expiringSection(view, nowMs)}
      ${problems.length > 0 ? undefined : prefixesSection(view, nowMs)}`,
  });
}

function link(target: string, text: string): Html {
  return html`<a href="${target}">${text}</a>`;
}

function titleOf({ isInSync, rejections, unknownKeys }: NodeView): string {
  if (!isInSync) return "Not in sync: the last good rules stay in force";
  const bad = rejections.length + unknownKeys.length;
  return bad === 0 ? "In sync" : `In sync, but ${plural(bad, "key")} in KV ${bad === 1 ? "is" : "are"} not in force`;
}

function linesOf({ isInSync, problems, rejections, unknownKeys }: NodeView): readonly Child[] {
  const isAll = rejections.length + unknownKeys.length === 0;
  if (isInSync) return [`${isAll ? "What" : "All else that"} Consul KV says is in the kernel.`];
  const left = problems.length - PROBLEMS_SHOWN;
  return [
    ...problems.slice(0, PROBLEMS_SHOWN).map((problem) => name(problem, 600)),
    ...(left > 0 ? [`and ${plural(left, "more problem")}`] : []),
  ];
}

function prefixesSection({ prefixes }: NodeView, nowMs: number): Html {
  const left = prefixes.length - PREFIXES_SHOWN;
  const shown = prefixes
    .toSorted((a, b) => Number(a.status === "ok") - Number(b.status === "ok"))
    .slice(0, PREFIXES_SHOWN);
  const words: Readonly<Record<WatchedPrefix["status"], Child>> = {
    ok: "read",
    starting: html`<strong class="warn">not read yet</strong>`,
    failing: html`<strong class="bad">cannot be read</strong>`,
    filtered: html`<strong class="bad">hidden by ACLs</strong>`,
  };
  return html`<section data-key="prefixes" aria-labelledby="prefixes">
    <h2 id="prefixes">Snapshot of Consul KV</h2>
    ${table<WatchedPrefix>({
      caption: [
        "What is read of KV for this node. A question waits up to a minute for news, so an age below that is fresh.",
        left > 0
          ? ` ${plural(left, "more prefix", "more prefixes")} left out; those that cannot be read come first.`
          : undefined,
      ],
      columns: [
        { label: "Prefix", kind: "header", cell: ({ prefix }) => code(prefix) },
        {
          label: "State",
          kind: "wide",
          cell: ({ status, problem }) => [
            words[status],
            problem === undefined ? undefined : html`<span class="note">${name(problem, 300)}</span>`,
          ],
        },
        { label: "Index", kind: "number", cell: ({ index }) => index ?? "–" },
        {
          label: "Last read",
          cell: ({ lastSuccessMs }) => (lastSuccessMs === undefined ? "never" : moment(lastSuccessMs, nowMs)),
        },
      ],
      groups: [{ rows: shown, empty: "None yet" }],
      keyOf: ({ prefix }) => prefix,
    })}
  </section>`;
}

function expiringSection({ expiring }: NodeView, nowMs: number): Html | undefined {
  if (expiring.length === 0) return undefined;
  const left = expiring.length - EXPIRY_SHOWN;
  return html`<section data-key="expiring" aria-labelledby="expiring">
    <h2 id="expiring">Expiring</h2>
    ${table({
      caption: `Rule sets that end by themselves, the next first${left > 0 ? `; ${plural(left, "later one")} left out` : ""}.`,
      columns: [
        { label: "Expires", cell: ({ ruleSet }) => moment(ruleSet.expiresAt ?? 0, nowMs) },
        { label: "Key", kind: "header", cell: ({ key }) => code(key) },
        { label: "Applies to", cell: ({ scope }) => scopeName(scope) },
        { label: "Mode", cell: ({ ruleSet }) => ruleSet.mode },
      ],
      groups: [{ rows: expiring.slice(0, EXPIRY_SHOWN) }],
      keyOf: ({ key }) => key,
    })}
  </section>`;
}
