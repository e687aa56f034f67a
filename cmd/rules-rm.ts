import type { ArgumentsCamelCase, Argv } from "yargs";
import { formatRuleSet } from "../lib/policy/rule-set.ts";
import { describeConflict } from "../lib/rules/conflict.ts";
import { describeRemoval } from "../lib/rules/describe-removal.ts";
import type { Scope } from "../lib/policy/scope.ts";
import type { RuleSetEntry } from "../lib/rules/entry.ts";
import { toOneLine } from "../lib/rules/one-line.ts";
import { wrap } from "../lib/rules/wrap.ts";
import { awaitRuleSet } from "./await-rule-set.ts";
import { CONSUL_NOTE, consulOptions } from "./consul-options.ts";
import { withConsul, withDoubt, type ConsulSession } from "./consul-session.ts";
import { checkIndex, indexOption } from "./index-option.ts";
import { examples } from "./examples.ts";
import { jsonOption } from "./options.ts";
import { CHANGE_HIGHLIGHTS, STATUS_HIGHLIGHTS } from "./highlights.ts";
import { printJson, printText } from "./print.ts";
import {
  namePositional,
  needsFor,
  readEntry,
  readPlace,
  readStrayKey,
  suggestKeys,
  type RuleSetPlace,
  type StrayKey,
} from "./rule-set-entry.ts";
import { scopeOptions } from "./scope-options.ts";
import { readWait, waitOptions } from "./wait-options.ts";

export const command = "rm <name>";
export const describe = "Remove a rule set, and only the version that was read";

export function builder(yargs: Argv) {
  return namePositional(
    jsonOption(waitOptions(indexOption(consulOptions(scopeOptions(yargs)), { action: "remove" }))),
  ).epilogue(
    [
      ...examples({
        "by its scope and name": "$0 rules rm allow-db --namespace default --job web",
        "by its whole key, and wait for the nodes": "$0 rules rm global/deny-metadata --wait --timeout 3s",
      }),
      "Shows what goes, and removes it unless somebody else has changed it meanwhile.",
      "Give --index the ModifyIndex that get printed to remove only what you saw. A key",
      "that fits no scope, as status tells them, is removed by its whole key too.",
      "",
      "JSON: { key, scope: { kind, … } | null, name | null,",
      "        modifyIndex: of what was removed,",
      "        ruleSet: { rules: [], mode, expiresAt?, description? } | null, raw,",
      "        status: with --wait, as outbound status prints it }",
      "Exit code 0: removed, and with --wait gone from every node; 1: not so, or no",
      "such rule set; 2: wrong usage.",
      "",
      CONSUL_NOTE,
    ].join("\n"),
  );
}

type RmArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler(options: RmArguments): Promise<void> {
  const { name, index, json, ...flags } = options;
  const timeoutMs = readWait(flags);
  const stray = readStrayKey(name, flags);
  if (stray && (await removeStray(stray, options))) return;
  const place = readPlace(name, flags);
  await withConsul(needsFor(place, "write"), async (session) => {
    const { key } = place;
    const entry = await readEntry(place, session);
    if (!entry) {
      throw new Error(`Cannot remove ${key}: there is no such rule set${await suggestKeys(place, session)}`);
    }
    checkIndex({ action: "remove", key, index, nowIndex: entry.modifyIndex });
    if (!json) printText(describeRemoval(entry), CHANGE_HIGHLIGHTS);
    await remove(place, entry, session);
    if (!json) printText("Removed");
    const outcome = flags.wait
      ? await awaitRuleSet({ prefix: flags.prefix, key, change: "removed", timeoutMs }, session)
      : undefined;
    if (outcome) process.exitCode = outcome.exitCode;
    if (json) printJson({ ...toJson(place, entry), ...(outcome && { status: outcome.cluster }) });
    else if (outcome) printText(outcome.text, STATUS_HIGHLIGHTS);
  });
}

/** False where there is no such key: then it was meant as a rule set's name. */
async function removeStray(stray: StrayKey, { index, json }: RmArguments): Promise<boolean> {
  const { root, key, reason } = stray;
  return withConsul({ keyPrefix: `${root}${key}`, policy: "write" }, async (session) => {
    const entry = await readEntry(stray, session);
    if (!entry) return false;
    checkIndex({ action: "remove", key, index, nowIndex: entry.modifyIndex });
    if (!json) printText(wrap(`${toOneLine(key)} fits no scope: ${reason}`, { indent: 2 }));
    await remove(stray, entry, session);
    if (json) printJson(toJson({ key, scope: null, name: null }, entry));
    else printText("Removed");
    return true;
  });
}

async function remove(
  place: Pick<RuleSetPlace, "root" | "key">,
  { modifyIndex }: RuleSetEntry,
  session: ConsulSession,
): Promise<void> {
  const { root, key } = place;
  const change = { key: `${root}${key}`, modifyIndex, signal: session.signal };
  if (await withDoubt(key, () => session.kv.remove(change))) return;
  const now = await readEntry(place, session);
  const nowIndex = now?.modifyIndex ?? 0;
  throw new Error(describeConflict({ action: "remove", key, readIndex: modifyIndex, nowIndex }));
}

interface RemovedKey {
  readonly key: string;
  readonly scope: Scope | null;
  readonly name: string | null;
}

function toJson({ key, scope, name }: RemovedKey, { modifyIndex, parsed, value }: RuleSetEntry): object {
  const ruleSet = parsed.ok ? formatRuleSet(parsed.value) : null;
  return { key, scope, name, modifyIndex, ruleSet, raw: new TextDecoder().decode(value) };
}
