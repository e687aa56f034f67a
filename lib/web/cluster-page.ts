import type { ClusterStatus, NodeSummary, RuleSetStatus } from "../status/cluster-status.ts";
import { countNodes, describeNotes, STATE_WORDS } from "../status/format-cluster.ts";
import { isWellPlaced } from "../status/outcome.ts";
import { judgeCluster, type ClusterView } from "./cluster-verdict.ts";
import { html, type Child, type Html } from "./html.ts";
import { facts, renderPage, verdict, type PageOptions } from "./layout.ts";
import { NODES_SHOWN, RULE_SETS_SHOWN } from "./limits.ts";
import { table } from "./table.ts";
import { code, name, number, plural } from "./words.ts";

/** Every node that tells of itself in Consul, and every rule set: those with a problem first. */
export function renderClusterPage(view: ClusterView, about: Pick<PageOptions, "node" | "version" | "nowMs">): string {
  const { cluster } = view;
  const judged = judgeCluster(view, about.nowMs);
  return renderPage({
    ...about,
    title: `${judged.title} · ${about.node.slice(0, 64)}`,
    place: "/cluster",
    main: html`<h1>Cluster</h1>
      ${verdict(judged)} ${cluster === undefined ? undefined : body(cluster)}`,
  });
}

function body(cluster: ClusterStatus): Html {
  const { nodes, ruleSets } = cluster;
  return html`${facts(
    [
      ["Nodes", number(nodes.length)],
      ["In sync", number(nodes.filter(({ isInSync }) => isInSync).length)],
      ["Attachments", number(nodes.reduce((sum, { attachments }) => sum + attachments, 0))],
      ["Rule sets", number(ruleSets.length)],
    ],
    "tiles",
  )}
  ${nodesSection(cluster)} ${ruleSetsSection(cluster)}`;
}

interface NodeRow extends NodeSummary {
  /** Rule sets of which it does not have the version that KV has. */
  readonly behind: number;
  readonly rejected: number;
}

function nodeRows({ nodes, ruleSets }: ClusterStatus): readonly NodeRow[] {
  const behind = new Map<string, number>();
  const rejected = new Map<string, number>();
  for (const { node, state } of ruleSets.flatMap((each) => each.nodes)) {
    if (state === "pending") behind.set(node, (behind.get(node) ?? 0) + 1);
    if (state === "rejected") rejected.set(node, (rejected.get(node) ?? 0) + 1);
  }
  const rows = nodes.map((each) => ({
    ...each,
    behind: behind.get(each.node) ?? 0,
    rejected: rejected.get(each.node) ?? 0,
  }));
  const rank = (row: NodeRow): number => (row.isInSync ? 2 : 0) - (row.behind + row.rejected > 0 ? 1 : 0);
  return rows.toSorted((a, b) => rank(a) - rank(b));
}

function nodesSection(cluster: ClusterStatus): Html {
  const rows = nodeRows(cluster);
  const left = rows.length - NODES_SHOWN;
  return html`<section data-key="nodes" aria-labelledby="nodes">
    <h2 id="nodes">Nodes</h2>
    ${table<NodeRow>({
      caption: [
        "Each watcher tells of its node within 2 s. One that was killed is listed for up to two minutes.",
        left > 0 ? ` Those with a problem first; outbound status has ${plural(left, "more")}.` : undefined,
      ],
      columns: [
        { label: "Node", kind: "header", cell: ({ node }) => name(node) },
        {
          label: "In sync",
          kind: "wide",
          cell: ({ isInSync, problems }) => [
            isInSync ? "yes" : html`<strong class="bad">NO</strong>`,
            problems.map((problem) => html`<span class="note">${name(problem, 300)}</span>`),
          ],
        },
        { label: "Behind", kind: "number", cell: ({ behind }) => alarming(behind) },
        { label: "Rejected", kind: "number", cell: ({ rejected }) => alarming(rejected) },
        { label: "Attachments", kind: "number", cell: ({ attachments }) => number(attachments) },
        { label: "outbound", cell: ({ version }) => name(version, 40) },
      ],
      groups: [{ rows: rows.slice(0, NODES_SHOWN), empty: "None tells of itself" }],
      keyOf: ({ node }) => node,
    })}
    ${cluster.unreadable
      .slice(0, NODES_SHOWN)
      .map(
        ({ node, problem }) =>
          html`<p class="warn">${name(node)}: its status cannot be read: ${name(problem, 300)}</p>`,
      )}
  </section>`;
}

function alarming(amount: number): Child {
  return amount === 0 ? "0" : html`<strong class="bad">${number(amount)}</strong>`;
}

function ruleSetsSection({ ruleSets, unknownKeys }: ClusterStatus): Html {
  const rows = ruleSets.toSorted((a, b) => Number(isWellPlaced(a.state)) - Number(isWellPlaced(b.state)));
  const left = rows.length - RULE_SETS_SHOWN;
  return html`<section data-key="rule-sets" aria-labelledby="rule-sets">
    <h2 id="rule-sets">Rule sets</h2>
    ${table<RuleSetStatus>({
      caption: [
        "What KV has, and how many of the nodes that it applies to have that version.",
        left > 0 ? ` Those with a problem first; outbound status has ${plural(left, "more")}.` : undefined,
      ],
      columns: [
        {
          label: "Key",
          kind: "header",
          cell: (each) => [
            code(each.key, 600),
            describeNotes(each).map((note) => html`<span class="note">${name(note, 500)}</span>`),
          ],
        },
        { label: "State", cell: ({ state }) => stateWord(state) },
        { label: "Nodes", kind: "number", cell: (each) => countNodes(each) },
        { label: "Attachments", kind: "number", cell: ({ attachments }) => number(attachments) },
        {
          label: "Version",
          kind: "number",
          cell: ({ modifyIndex }) => modifyIndex ?? "–",
        },
      ],
      groups: [{ rows: rows.slice(0, RULE_SETS_SHOWN), empty: "None in KV" }],
      keyOf: ({ key }) => key,
    })}
    ${unknownKeys
      .slice(0, RULE_SETS_SHOWN)
      .map(({ key, reason }) => html`<p class="warn">${code(key)} applies to nothing: ${name(reason, 300)}</p>`)}
  </section>`;
}

function stateWord(state: RuleSetStatus["state"]): Html {
  return isWellPlaced(state)
    ? html`<span class="state">${STATE_WORDS[state]}</span>`
    : html`<strong class="state bad">${STATE_WORDS[state]}</strong>`;
}
