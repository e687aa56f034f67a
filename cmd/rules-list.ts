import type { ArgumentsCamelCase, Argv } from "yargs";
import { ConsulError } from "../lib/host/consul-error.ts";
import type { PrefixAnswer } from "../lib/host/consul.ts";
import { scopePrefix } from "../lib/policy/scope.ts";
import { toEntry } from "../lib/rules/entry.ts";
import { formatRuleSetList, listRuleSets } from "../lib/rules/rule-set-list.ts";
import { rulesRoot } from "../lib/policy/roots.ts";
import { CONSUL_NOTE, consulOptions } from "./consul-options.ts";
import { describePolicy, withConsul, type ConsulNeeds, type ConsulSession } from "./consul-session.ts";
import { examples } from "./examples.ts";
import { jsonOption } from "./options.ts";
import { RULE_SETS_HIGHLIGHTS } from "./highlights.ts";
import { printJson, printText } from "./print.ts";
import { readScope, scopeOptions } from "./scope-options.ts";
import { createStderrLog } from "./stderr-log.ts";

export const command = "list";
export const describe = "List rule sets, and keys that are none";

export function builder(yargs: Argv) {
  return jsonOption(consulOptions(scopeOptions(yargs))).epilogue(
    [
      ...examples({
        "all that the token may read": "$0 rules list",
        "a namespace's, with all its jobs'": "$0 rules list --namespace default",
        "a job's, with its groups'": "$0 rules list --namespace default --job web",
        "for machines": "$0 rules list --global --json",
      }),
      "STATE: ok; expired; INVALID, with the first thing that is wrong with it: nodes",
      "keep its last good version. Scopes are written as the flags that name them.",
      "Only the scope's own prefix is read: a token for one namespace is enough for it.",
      "",
      "JSON: { prefix, isFiltered: whether ACLs hid keys,",
      "        ruleSets: [{ key, scope: { kind, node?, network?, namespace?, job?,",
      "                                   group?, alloc? }, name, modifyIndex,",
      "                     state: ok|expired|invalid, rules: count|null,",
      "                     mode: enforce|audit|null, expiresAt|null,",
      "                     description|null, issues: [{ path, message }] }],",
      "        unknown: [{ key, reason }] }",
      "Exit code 0: listed, 1: Consul could not be read, 2: wrong usage.",
      "",
      CONSUL_NOTE,
    ].join("\n"),
  );
}

type ListArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ json, prefix: rootPrefix, ...flags }: ListArguments): Promise<void> {
  const root = rulesRoot(rootPrefix);
  const scope = readScope(flags);
  const needs: ConsulNeeds = { keyPrefix: root + (scope ? scopePrefix(scope) : ""), policy: "read" };
  const { entries, isFiltered } = await withConsul(needs, (session) => readAll(needs.keyPrefix, session));
  const list = listRuleSets(
    entries.map(({ key, ...rest }) => toEntry({ key: key.slice(root.length), ...rest })),
    { nowMs: Date.now() },
  );
  if (isFiltered) {
    createStderrLog().warn({}, `Consul's ACLs hide keys: to see all, the token needs ${describePolicy(needs)}`);
  }
  if (json) printJson({ prefix: needs.keyPrefix, isFiltered, ...list });
  else printText(formatRuleSetList(list) || `No rule set under ${needs.keyPrefix}`, RULE_SETS_HIGHLIGHTS);
}

/** @throws ConsulError, `forbidden` where nothing at all may be read */
async function readAll(prefix: string, { consul, signal }: ConsulSession): Promise<PrefixAnswer> {
  const answer = await consul.readPrefix({ prefix, index: 0n, waitSeconds: 0, consistent: true, signal });
  try {
    // Consul does not always say that it left keys out.
    await consul.checkReadable({ prefix, signal });
    return answer;
  } catch (error) {
    const isHidden = error instanceof ConsulError && error.kind === "forbidden" && !answer.isEmpty;
    if (isHidden) return { ...answer, isFiltered: true };
    throw error;
  }
}
