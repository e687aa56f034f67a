import type { AttachmentView } from "../inspect/attachment-view.ts";
import type { RuntimeRules, RuntimeRuleSet } from "../policy/runtime-rules.ts";
import { html, type Html } from "./html.ts";
import { table } from "./table.ts";
import { code, moment, name, scopeName } from "./words.ts";

/** A rule set of KV that concerns an attachment. */
export interface RuleSource extends RuntimeRuleSet {
  readonly state: "enforced" | "audited: decides nothing" | "expired";
}

/** Every rule set that its rules come from, that is audited, or that has expired, in the order in which they are named. */
export function sourcesOf(view: AttachmentView, { runtimeRules }: { readonly runtimeRules: RuntimeRules }) {
  const byKey = new Map(runtimeRules.ruleSets.map((ruleSet) => [ruleSet.key, ruleSet]));
  const states = new Map<string, RuleSource["state"]>();
  for (const { source } of view.rules) if (source.kind === "runtime") states.set(source.key, "enforced");
  for (const { key } of view.audited) states.set(key, "audited: decides nothing");
  for (const { from, why } of view.idle) if (why === "expired") states.set(from.replace(/^KV /, ""), "expired");
  return [...states].flatMap(([key, state]): readonly RuleSource[] => {
    const ruleSet = byKey.get(key);
    return ruleSet ? [{ ...ruleSet, state }] : [];
  });
}

/** Whom each rule set applies to, in which version, and until when. */
export function sourcesSection(
  sources: readonly RuleSource[],
  { nowMs }: { readonly nowMs: number },
): Html | undefined {
  if (sources.length === 0) return undefined;
  return html`<h3>Rule sets from KV</h3>
    ${table<RuleSource>({
      caption: "What the rules above come from, besides the conflist and the job.",
      columns: [
        {
          label: "Key",
          kind: "header",
          cell: ({ key, ruleSet }) => [
            code(key, 600),
            ruleSet.description === undefined
              ? undefined
              : html`<span class="note">${name(ruleSet.description, 300)}</span>`,
          ],
        },
        { label: "Applies to", cell: ({ scope }) => scopeName(scope) },
        { label: "Mode", cell: ({ state }) => state },
        { label: "Version", kind: "number", cell: ({ modifyIndex }) => modifyIndex },
        {
          label: "Expires",
          cell: ({ ruleSet: { expiresAt } }) => (expiresAt === undefined ? "never" : moment(expiresAt, nowMs)),
        },
      ],
      groups: [{ rows: sources }],
      keyOf: ({ key }) => key,
    })}`;
}
