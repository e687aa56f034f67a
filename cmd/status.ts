import type { ArgumentsCamelCase, Argv } from "yargs";
import { systemClock } from "../lib/host/clock.ts";
import { rulesPrefixOf } from "../lib/host/read-cluster.ts";
import type { ClusterStatus } from "../lib/status/cluster-status.ts";
import { formatCluster } from "../lib/status/format-cluster.ts";
import { formatRuleSetStatus } from "../lib/status/format-rule-set.ts";
import { clusterExitCode, ruleSetExitCode } from "../lib/status/outcome.ts";
import { CONSUL_NOTE, consulOptions } from "./consul-options.ts";
import { withConsul } from "./consul-session.ts";
import { examples } from "./examples.ts";
import { jsonOption } from "./options.ts";
import { STATUS_HIGHLIGHTS } from "./highlights.ts";
import { printJson, printText } from "./print.ts";
import { scopeOptions } from "./scope-options.ts";
import { readStatusQuestion } from "./status-question.ts";
import { waitForCluster } from "./wait-for-cluster.ts";
import { readWait, waitOptions } from "./wait-options.ts";

export const command = "status [key]";
export const describe = "Say on which nodes rule sets are in force, and where and why not";

export function builder(yargs: Argv) {
  return jsonOption(waitOptions(consulOptions(scopeOptions(yargs))))
    .positional("key", {
      type: "string",
      describe: "One rule set: its name in the scope that flags name, or its whole key",
    })
    .epilogue(
      [
        ...examples({
          "every rule set and every node": "$0 status",
          "its rule sets, with all its jobs'": "$0 status --namespace default",
          "one rule set, node by node": "$0 status db --network lab",
          "until it is in force everywhere": "$0 status global/db --wait",
          "the same for machines": "$0 status --json | jq .nodes",
        }),
        "STATE: in force; audit; expired; PENDING: some nodes do not have the version",
        "in KV yet; REJECTED: the value is no rule set, nodes keep the last good one;",
        "NO MATCH: it applies to no allocation on any node; UNKNOWN: no watcher reports;",
        "REMOVING: gone from KV, still in force somewhere. VERSION is the ModifyIndex.",
        "NODES is how many it applies to, or how many of them have it: 2/3. The watcher",
        "of each node tells a change within 2 s. One that was killed is listed for up to",
        "two minutes: its rules stay in force, and changes are pending there. Where it is",
        "not known whose an allocation is, none of its namespace's rule sets apply to it.",
        "",
        "Exit code 0: in force, audited or expired as it should be, wherever it applies;",
        "1: not so, or not known; a key fits no scope; 2: wrong usage; 3: the one rule",
        "set asked about applies to no allocation on any node.",
        "",
        "JSON: { ruleSets: [{ key, scope: { kind, … }, modifyIndex|null, state: in-force|",
        "            audit|expired|pending|rejected|unmatched|unreported|removing,",
        "          mode: enforce|audit|null, expiresAt|null, attachments,",
        "          nodes: [{ node, attachments, state: applied|pending|rejected,",
        "                    modifyIndex|null, has: in-force|audit|expired|null }],",
        "          issues: [{ path, message }], near: [scope], others: [scope],",
        "          audited: [{ node, wouldBe: accepted|denied, allocation, namespace?,",
        "                      job?, group?, protocol, destination, port? }] }],",
        "        unknownKeys: [{ key, reason }],",
        "        nodes: [{ node, version, isInSync, problems: [], attachments,",
        "                  unidentified?: [{ attachments, since, problem? }] }],",
        "        unreadable: [{ node, problem }], hidesRules, hidesStatuses }",
        "",
        "The token needs to read outbound/status/ and the rule sets asked about.",
        CONSUL_NOTE,
      ].join("\n"),
    );
}

type StatusArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ key: word, json, wait, timeout, ...flags }: StatusArguments): Promise<void> {
  const question = readStatusQuestion(word, flags);
  const timeoutMs = readWait({ wait, timeout });
  const keyPrefix = rulesPrefixOf(question);
  const cluster = await withConsul({ keyPrefix, policy: "read" }, (session) =>
    waitForCluster(question, { timeoutMs }, { ...session, clock: systemClock }),
  );
  const { key } = question;
  if (json) printJson(cluster);
  else {
    const text = key === undefined ? formatCluster(cluster, { what: keyPrefix }) : formatOne(cluster, key);
    printText(text, STATUS_HIGHLIGHTS);
  }
  process.exitCode = key === undefined ? clusterExitCode(cluster) : ruleSetExitCode(cluster);
}

function formatOne(cluster: ClusterStatus, key: string): string {
  return formatRuleSetStatus(cluster, { key, nowMs: Date.now() });
}
