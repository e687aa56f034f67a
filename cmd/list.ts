import type { ArgumentsCamelCase, Argv } from "yargs";
import { readIdentityProblems } from "../lib/host/unidentified-file.ts";
import { formatAttachmentList, listAttachments } from "../lib/inspect/attachment-list.ts";
import { examples } from "./examples.ts";
import { readAttachments, readKernel } from "./node-state.ts";
import { jsonOption, stateOptions } from "./options.ts";
import { CHAINS_HIGHLIGHTS } from "./highlights.ts";
import { printJson, printText } from "./print.ts";
import { createStderrLog } from "./stderr-log.ts";

export const command = "list";
export const describe = "List attachments on this node and their chains";

export function builder(yargs: Argv) {
  return jsonOption(stateOptions(yargs)).epilogue(
    [
      ...examples({
        "allocation, job, network, addresses and chain of each": "$0 list",
        "their chains alone": "$0 list --json | jq -r '.attachments[].chain'",
      }),
      "IPV4 and IPV6 say whether the chain is in the kernel: yes, EMPTY (somebody took",
      "its rules away), MISSING, - (nothing of that family can come from it),",
      "? (the kernel could not be read).",
      "Where it is not known whose an allocation is, the rule sets of its namespace,",
      "job, group and id do not apply; why is what the watcher says.",
      "",
      "JSON: { attachments: [{ allocation,",
      "                        identity: { region?, namespace?, job?, group? },",
      "                        unidentified?: { since, problem? },",
      "                        network, ifname, addresses: [], chain, mainChain,",
      "                        kernel: { ipv4, ipv6 }, addedAt }],",
      "        unreadable: [chain] }",
      "kernel says present, empty, missing, unused or unknown.",
    ].join("\n"),
  );
}

type ListArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ stateDir, json }: ListArguments): Promise<void> {
  const log = createStderrLog();
  const { attachments, unreadable } = readAttachments(stateDir, log);
  const identityProblems = readIdentityProblems(stateDir, { log });
  const list = listAttachments(attachments, { kernel: await readKernel(log), unreadable, identityProblems });
  if (json) printJson(list);
  else printText(formatAttachmentList(list), CHAINS_HIGHLIGHTS);
}
