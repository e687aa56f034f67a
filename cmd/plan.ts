import type { ArgumentsCamelCase, Argv } from "yargs";
import { toPrintable } from "../lib/inspect/printable.ts";
import { formatPlan } from "../lib/plan/format-plan.ts";
import { toPlanJson } from "../lib/plan/plan-json.ts";
import { makePlan, type Plan } from "../lib/plan/plan.ts";
import { toEntry, type RuleSetEntry } from "../lib/rules/entry.ts";
import { warnAbout } from "../lib/rules/warnings.ts";
import type { RuleSet } from "../lib/policy/rule-set.ts";
import { CONSUL_NOTE, consulOptions } from "./consul-options.ts";
import { withConsul, type ConsulSession } from "./consul-session.ts";
import { examples } from "./examples.ts";
import { checkIndex, indexOption } from "./index-option.ts";
import { jsonOption, stateOptions } from "./options.ts";
import { findHidden, readCluster } from "./plan-cluster.ts";
import { readOwnNode, type SeenCluster } from "./plan-own-node.ts";
import { PLAN_HIGHLIGHTS } from "./highlights.ts";
import { printJson, printText } from "./print.ts";
import { proposalOptions, readProposal } from "./proposal.ts";
import { readInput } from "./read-input.ts";
import { namePositional, needsFor, readPlace, suggestKeys, type RuleSetPlace } from "./rule-set-entry.ts";
import { scopeOptions } from "./scope-options.ts";
import { UsageError } from "./usage-error.ts";

export const command = "plan <name>";
export const describe = "Say what a rule set would change, and for whom; write nothing";

export function builder(yargs: Argv) {
  return namePositional(jsonOption(stateOptions(indexOption(consulOptions(proposalOptions(scopeOptions(yargs)))))))
    .option("rm", { type: "boolean", default: false, describe: "Plan its removal" })
    .option("local", {
      type: "boolean",
      default: false,
      describe: "Ask this node's own state and cache, and not Consul",
    })
    .epilogue(
      [
        ...examples({
          "before rules put": "$0 plan allow-db --namespace default --job web -f rules.json",
          "one rule": "$0 plan deny-metadata --global --host 169.254.169.254 --action DROP",
          "its rules stay": "$0 plan allow-db --namespace default --job web --mode audit",
          "before rules rm": "$0 plan global/deny-metadata --rm",
        }),
        "Takes what rules put takes. It says which connections would be let through or",
        "stopped that are not now, exactly, and for whom: every watcher tells Consul what",
        "is attached to its node. Without that it knows the attachments of this node",
        "alone. It compares rules as KV has them now with those that KV would have. Where",
        "a node has another version in force, that is said; NOT ALL where it is one of",
        "this rule set: what it says is known only where this node's cache has it.",
        "Traffic to a node's own addresses is left alone where the conflist says",
        "hostTraffic allow.",
        "",
        "OPENS: let through from then on. CLOSES: stopped. REJECTS and DROPS: stopped",
        "before and after, with another answer. IDLE: a rule that changes no verdict. A",
        "protocol that rules have no name for is other.",
        "",
        "JSON: { key, scope: { kind, … }, change: new|changed|unchanged|removed,",
        "        before: ruleSet|null, after: ruleSet|null,",
        "        seen: { source: status|state, nodes, attachments },",
        "        effects: [{ attachments: [{ node, network, namespace?, job?, group?,",
        "                                    allocations: [] }],",
        "                    changes: [{ change: opens|closes|rejects|drops,",
        "                                protocols: [], hosts: [{ block, except: [] }],",
        "                                ports | null, before: { verdict, from, source,",
        "                                text | null }, after }],",
        "                    idle: [{ side: before|after, verdict, from, source, text,",
        "                             because: [{ verdict, from, source, text }] }],",
        "                    isComplete, notCompared, outOfStep: [key] }],",
        "        near: [scope], others: [scope],",
        "        outOfStep: [{ key, why: invalid-in-kv|refused|other-version|",
        "                      not-in-force|not-in-kv, modifyIndex | null,",
        "                      kvModifyIndex | null, isPassing,",
        "                      comparedWith: kv|nothing|in-force, nodes: [] }],",
        "        notes: [] }",
        "isComplete is false where there was too much to compare (notCompared rules), or",
        "nodes have something else in force than what was compared: the keys are in the",
        "effect's outOfStep. modifyIndex is of the version in force there, null: none.",
        "",
        "Exit code 0: KV would stay as it is, 1: it would change, 2: wrong usage, 255:",
        "failed, also where the rule set is invalid (rules put: 1).",
        "",
        CONSUL_NOTE,
      ].join("\n"),
    );
}

type PlanArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler(options: PlanArguments): Promise<void> {
  try {
    const isChange = await plan(options);
    process.exitCode = isChange ? 1 : 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`outbound: ${toPrintable(message)}\n`);
    process.exitCode = 255;
  }
}

/** Resolves with whether KV would change. */
async function plan(options: PlanArguments): Promise<boolean> {
  const place = readPlace(options.name, options);
  if (options.local) return planWith(options, { place, seen: readOwnNode(options) });
  return withConsul(needsFor(place, "read"), async (session) => {
    const { key, root, scope } = place;
    await session.consul.checkReadable({ prefix: `${root}${key}`, signal: session.signal });
    const seen = await readCluster({ ...options, key, scope }, session);
    return planWith(options, { place, seen, session });
  });
}

interface Known {
  readonly place: RuleSetPlace;
  readonly seen: SeenCluster;
  /** Undefined: Consul is not asked. */
  readonly session?: ConsulSession;
}

async function planWith(options: PlanArguments, { place, seen, session }: Known): Promise<boolean> {
  const { key, scope, name, root } = place;
  const nowMs = Date.now();
  const found = seen.cluster.entries.find((entry) => entry.key === key);
  const current = found && toEntry(found);
  checkIndex({
    action: options.rm ? "remove" : "put",
    key,
    index: options.index,
    nowIndex: current?.modifyIndex ?? 0,
  });
  if (options.rm && !current) {
    const near = session ? await suggestKeys(place, session) : "";
    throw new Error(`Cannot plan removal of ${key}: there is no such rule set${near}`);
  }
  const after = await readAfter(options, { current, nowMs });
  const made = makePlan(seen.cluster, { key, scope, name, after, nowMs });
  const notes = [
    ...(after ? warnAbout(after, { scope, nowMs }) : []).map((warning) => `${warning}.`),
    ...(session ? await describeHidden(made, { root, session }) : []),
    ...seen.notes,
  ];
  if (options.json) printJson(toPlanJson(made, { notes }));
  else printText(formatPlan(made, { nowMs, notes }), PLAN_HIGHLIGHTS);
  return made.isChange;
}

interface Situation {
  readonly current: RuleSetEntry | undefined;
  readonly nowMs: number;
}

/** Undefined: it is removed. */
async function readAfter(options: PlanArguments, { current, nowMs }: Situation): Promise<RuleSet | undefined> {
  if (!options.rm) {
    const { ruleSet } = await readProposal(options, { current: current?.parsed, nowMs, readFile: readInput });
    return ruleSet;
  }
  const { file, host, proto, port, action, comment, mode, for: lasting, expiresAt, expiry, description } = options;
  const given = [file, host, proto, port, action, comment, mode, lasting, expiresAt, expiry, description];
  if (given.every((value) => value === undefined)) return undefined;
  throw new UsageError("Cannot read rule set: found --rm with what it is to be, expected one of the two");
}

async function describeHidden(
  { prefixes }: Plan,
  options: { readonly root: string; readonly session: ConsulSession },
): Promise<readonly string[]> {
  const hidden = await findHidden(prefixes, options);
  if (hidden.length === 0) return [];
  const list = hidden.map((place) => `${options.root}${place}`).join(", ");
  return [`Rule sets that this token may not read are not compared, and may decide otherwise: ${list}.`];
}
