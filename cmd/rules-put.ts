import type { ArgumentsCamelCase, Argv } from "yargs";
import { formatRuleSet } from "../lib/policy/rule-set.ts";
import { ConsulError } from "../lib/host/consul-error.ts";
import { describeConflict } from "../lib/rules/conflict.ts";
import type { RuleSetEntry } from "../lib/rules/entry.ts";
import { isSameRuleSet, type Proposal } from "../lib/rules/proposal.ts";
import { describePut } from "../lib/rules/describe-put.ts";
import { quote } from "../lib/rules/scope-flags.ts";
import { describeNoMatch } from "../lib/status/format-cluster.ts";
import { warnAbout } from "../lib/rules/warnings.ts";
import { awaitRuleSet } from "./await-rule-set.ts";
import { CONSUL_NOTE, consulOptions } from "./consul-options.ts";
import { withConsul, withDoubt, type ConsulSession } from "./consul-session.ts";
import { checkIndex, indexOption } from "./index-option.ts";
import { examples } from "./examples.ts";
import { jsonOption } from "./options.ts";
import { CHANGE_HIGHLIGHTS, STATUS_HIGHLIGHTS } from "./highlights.ts";
import { printJson, printText } from "./print.ts";
import { proposalOptions, readProposal } from "./proposal.ts";
import { readInput } from "./read-input.ts";
import { namePositional, needsFor, readEntry, readPlace, type RuleSetPlace } from "./rule-set-entry.ts";
import { scopeOptions } from "./scope-options.ts";
import { createStderrLog } from "./stderr-log.ts";
import { readWait, waitOptions } from "./wait-options.ts";

export const command = "put <name>";
export const describe = "Write a rule set, checked, and only over the version that was read";

export function builder(yargs: Argv) {
  return namePositional(
    jsonOption(waitOptions(indexOption(consulOptions(proposalOptions(scopeOptions(yargs)))))),
  ).epilogue(
    [
      ...examples({
        "from a file": "$0 rules put allow-db --namespace default --job web -f rules.json",
        "one rule": "$0 rules put deny-metadata --global --host 169.254.169.254 --action DROP",
        "its rules stay": "$0 rules put allow-db --namespace default --job web --mode audit",
        "in force for an hour": "$0 rules put global/deny-metadata --mode enforce --for 1h",
        "and wait for the nodes": "$0 rules put global/deny-metadata --mode audit --wait --timeout 3s",
        "from standard input": "$0 rules put global/deny-metadata -f - < rules.json",
      }),
      "Shows what changes, and writes it unless it is invalid, has not changed, or",
      "somebody else has changed the key meanwhile. A file or rule flags are the whole",
      "rule set; without them, what KV has is changed and its rules stay. Give --index",
      "the ModifyIndex that get printed: then nobody's change in between is lost.",
      "",
      "JSON: { key, scope: { kind, … }, name, change: new|changed|unchanged,",
      "        modifyIndex, ruleSet, before: ruleSet|null, warnings: [],",
      "        status: with --wait, as outbound status prints it }",
      "Exit code 0: written or unchanged, 1: not written, also where the rule set is",
      "invalid (outbound plan: 255), 2: wrong usage; with --wait that of outbound",
      "status: 1 also where it is not in force in time, 3: it applies to no allocation",
      "on any node.",
      "",
      CONSUL_NOTE,
    ].join("\n"),
  );
}

type PutArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ name, index, json, ...flags }: PutArguments): Promise<void> {
  const place = readPlace(name, flags);
  const timeoutMs = readWait(flags);
  const { key } = place;
  await withConsul(needsFor(place, "write"), async (session) => {
    const entry = await readEntry(place, session);
    const modifyIndex = checkIndex({ action: "put", key, index, nowIndex: entry?.modifyIndex ?? 0 });
    const nowMs = Date.now();
    const proposal = await readProposal(flags, { current: entry?.parsed, nowMs, readFile: readInput });
    const warnings = warnAbout(proposal.ruleSet, { scope: place.scope, nowMs });
    for (const warning of warnings) createStderrLog().warn({}, warning);
    const isUnchanged = entry?.parsed.ok === true && isSameRuleSet(entry.parsed.value, proposal.ruleSet);
    if (!json) printText(describePut(entry, { key, ruleSet: proposal.ruleSet }), CHANGE_HIGHLIGHTS);
    const written = isUnchanged ? entry : await write(place, { proposal, modifyIndex }, session);
    if (!json && !isUnchanged) printText(describeWritten(written, proposal, { isAwaited: flags.wait }));
    if (!flags.wait) await warnOfNoMatch({ prefix: flags.prefix, key }, session);
    const outcome = flags.wait
      ? await awaitRuleSet({ prefix: flags.prefix, key, change: "put", timeoutMs }, session)
      : undefined;
    if (outcome) process.exitCode = outcome.exitCode;
    const status = outcome && { status: outcome.cluster };
    if (json) printJson({ ...toJson(place, { entry, proposal, written, isUnchanged, warnings }), ...status });
    else if (outcome) printText(outcome.text, STATUS_HIGHLIGHTS);
  });
}

/** A name misspelt is the commonest mistake. Where statuses cannot be read, `status` says so and `put` need not. */
async function warnOfNoMatch(
  { prefix, key }: { readonly prefix: string; readonly key: string },
  session: ConsulSession,
): Promise<void> {
  try {
    const { cluster } = await awaitRuleSet({ prefix, key, change: "put", timeoutMs: 0 }, session);
    const [ruleSet] = cluster.ruleSets;
    if (ruleSet?.state === "unmatched") createStderrLog().warn({}, `It ${describeNoMatch(ruleSet)}`);
  } catch (error) {
    if (!(error instanceof ConsulError)) throw error;
  }
}

/** Resolves with what KV has afterwards, which may be what somebody wrote right after. */
async function write(
  place: RuleSetPlace,
  { proposal, modifyIndex }: { readonly proposal: Proposal; readonly modifyIndex: number },
  session: ConsulSession,
): Promise<RuleSetEntry | undefined> {
  const { root, key } = place;
  const change = { key: `${root}${key}`, value: proposal.text, modifyIndex, signal: session.signal };
  const isWritten = await withDoubt(key, () => session.kv.put(change));
  const now = await readEntry(place, session);
  if (isWritten) return now;
  const nowIndex = now?.modifyIndex ?? 0;
  throw new Error(describeConflict({ action: "put", key, readIndex: modifyIndex, nowIndex }));
}

function describeWritten(
  written: RuleSetEntry | undefined,
  { text }: Proposal,
  { isAwaited }: { readonly isAwaited: boolean },
): string {
  if (!written) return "Written, and removed by somebody else since";
  const { key, value, modifyIndex } = written;
  if (new TextDecoder().decode(value) !== text) {
    return `Written, and changed by somebody else since: ModifyIndex ${modifyIndex}`;
  }
  const hint = isAwaited ? [] : [`outbound status ${quote(key)} --wait tells when it is in force`];
  return [`Written: ModifyIndex ${modifyIndex}`, ...hint].join("\n");
}

interface PutOutcome {
  readonly entry: RuleSetEntry | undefined;
  readonly proposal: Proposal;
  readonly written: RuleSetEntry | undefined;
  readonly isUnchanged: boolean;
  readonly warnings: readonly string[];
}

function toJson({ key, scope, name }: RuleSetPlace, { entry, proposal, written, isUnchanged, warnings }: PutOutcome) {
  return {
    key,
    scope,
    name,
    change: isUnchanged ? "unchanged" : entry ? "changed" : "new",
    modifyIndex: written?.modifyIndex ?? null,
    ruleSet: formatRuleSet(proposal.ruleSet),
    before: entry?.parsed.ok === true ? formatRuleSet(entry.parsed.value) : null,
    warnings,
  };
}
