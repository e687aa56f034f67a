import type { ArgumentsCamelCase, Argv } from "yargs";
import { readObserved } from "../lib/host/observed-file.ts";
import { readIdentityProblems } from "../lib/host/unidentified-file.ts";
import { viewAttachment } from "../lib/inspect/attachment-view.ts";
import { findAllocation } from "../lib/inspect/find-allocation.ts";
import { formatView } from "../lib/inspect/format-view.ts";
import { examples } from "./examples.ts";
import { readAttachments, readKernel, readRuntimeContext } from "./node-state.ts";
import { allocPositional, jsonOption, stateOptions } from "./options.ts";
import { printJson, printText } from "./print.ts";
import { createStderrLog } from "./stderr-log.ts";

export const command = "show <alloc>";
export const describe = "Show an allocation's rules in order of decision, and their counters";

export function builder(yargs: Argv) {
  return allocPositional(jsonOption(stateOptions(yargs))).epilogue(
    [
      ...examples({
        "the allocation whose id starts with 8f1c": "$0 show 8f1c",
        "the same for machines": "$0 show 8f1c --json | jq '.attachments[].rules'",
      }),
      COUNTERS_NOTE,
      "Counters go on while other rules of a set change. They start again at 0 for a",
      "rule that moves among the others, a set of which no rule stays, and one that is",
      "switched between audit and enforce. They are - where the kernel does not have",
      "the rule or could not be read, which takes root.",
      "",
      "A rule set in mode audit decides nothing. Its counters say what it would have",
      "decided; its accepts count nothing for who accepts by default. The connections",
      "that it would have denied or accepted, and with logDenied those denied, are what",
      "the watcher saw in the kernel's log: a few lines a second. Times are UTC.",
      "",
      "JSON: { attachments: [{ allocation, identity, unidentified?: { since, problem? },",
      "          network, ifname, addresses: [],",
      "          chain, mainChain, kernel: { ipv4, ipv6 }, hostTraffic, addedAt,",
      "          rules: [{ phase: deny|static|accept, from,",
      "                    source: { kind: static|initial|job|runtime, index, key? },",
      "                    rule, text, counters: { packets, bytes } | null }],",
      "          defaultAction: { action, counters }, denied: [seen],",
      "          audited: [{ from, key, rules: [{ phase: deny|accept, rule, text,",
      "                                           counters }], seen: [seen] }],",
      "          idle: [{ from, why: expired|replaced,",
      "                   rules: [], texts: [] }] }] }",
      "seen: { wouldBe?: accepted|denied, protocol, destination, port?, lines,",
      "        firstSeen, lastSeen }",
    ].join("\n"),
  );
}

const COUNTERS_NOTE = [
  "Counters are of both families together. Rules in KV, in the conflist and in a",
  "job are shared: their counters are those of all attachments that go through",
  "them. The default action's are this attachment's own.",
].join("\n");

type ShowArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ alloc, stateDir, cacheDir, json }: ShowArguments): Promise<void> {
  const log = createStderrLog();
  const attachments = findAllocation(alloc, readAttachments(stateDir, log).attachments);
  const context = readRuntimeContext(cacheDir, log);
  const kernel = await readKernel(log);
  const observed = readObserved(stateDir, { log });
  const identityProblems = readIdentityProblems(stateDir, { log });
  const known = { context, kernel, observed, identityProblems };
  const views = attachments.map((attachment) => viewAttachment(attachment, known));
  if (json) printJson({ attachments: views });
  else printText([...views.map((view) => formatView(view, context)), COUNTERS_NOTE].join("\n\n"));
}
