import type { Argv } from "yargs";
import { editRuleSet, isEmptyEdit, parseEdit, type EditFlags } from "../lib/rules/edit.ts";
import { ProposalError } from "../lib/rules/proposal-error.ts";
import { toProposal, type CurrentRuleSet, type Proposal } from "../lib/rules/proposal.ts";
import { parseRuleFlags, type RuleFlags } from "../lib/rules/rule-flags.ts";
import { parseRuleSetFile } from "../lib/rules/rule-set-file.ts";
import type { RuleSet } from "../lib/policy/rule-set.ts";
import { UsageError } from "./usage-error.ts";

/** What a rule set is to be: a file, one rule by flags, or what KV has with something of it changed. */
export function proposalOptions<T>(yargs: Argv<T>) {
  return (
    yargs
      .option("file", { alias: "f", type: "string", describe: "Its JSON; - is standard input", group: RULES })
      .option("host", {
        type: "string",
        array: true,
        nargs: 1,
        describe: "Or one rule: its address or block; may come again",
        group: RULES,
      })
      .option("proto", { type: "string", describe: "Its protocol: tcp, udp, sctp, icmp, icmpv6 or all", group: RULES })
      .option("port", { type: "string", describe: "Its ports: 443 or 80,8000-8100", group: RULES })
      .option("action", { type: "string", describe: "Its action: ACCEPT, DROP or REJECT", group: RULES })
      .option("comment", { type: "string", describe: "Its comment", group: RULES })
      .option("mode", { type: "string", describe: "enforce; or audit: count only", group: CHANGES })
      .option("for", { type: "string", describe: "Expire after 90s, 15m, 1h30m or 7d", group: CHANGES })
      .option("expires-at", { type: "string", describe: "Expire at 2026-12-31T18:00:00Z", group: CHANGES })
      .option("no-expiry", { type: "boolean", describe: "Do not expire", group: CHANGES })
      // What `--no-expiry` arrives as.
      .option("expiry", { type: "boolean", hidden: true })
      .option("description", { type: "string", describe: 'What it is for; "" for none', group: CHANGES })
      .check(refuseLists)
  );
}

const RULES = "Rules (without these, those that KV has stay):";
const CHANGES = "Beside its rules:";

export interface ProposalFlags extends RuleFlags, EditFlags {
  readonly file?: string | undefined;
}

export interface ProposalContext {
  /** What KV has at the key. */
  readonly current: CurrentRuleSet;
  readonly nowMs: number;
  /** Reads a file, or standard input for `-`: `readInput`. */
  readonly readFile: (path: string) => Promise<Uint8Array>;
}

/**
 * What `rules put` writes. A file or rule flags are the whole rule set; without them it is the current one. Either way
 * the other flags change it.
 *
 * @throws UsageError where flags are missing, contradict each other or hold something wrong; ProposalError where the
 *   file is no rule set; Error where it cannot be read, or is more than Consul takes
 */
export async function readProposal(flags: ProposalFlags, context: ProposalContext): Promise<Proposal> {
  try {
    const edit = parseEdit(flags, context);
    const base = (await readRules(flags, context)) ?? currentOf(context.current, { isEdited: !isEmptyEdit(edit) });
    return toProposal(editRuleSet(base, edit));
  } catch (error) {
    const isUsage = error instanceof ProposalError && error.issues.every(({ source }) => source.startsWith("--"));
    throw isUsage ? new UsageError(error.message) : error;
  }
}

/** yargs makes a list of what is given twice, and false of --no-mode, whatever the option's type. */
function refuseLists(given: Readonly<Record<string, unknown>>): true {
  const wrong = SINGLE.find((flag) => given[flag] !== undefined && typeof given[flag] !== "string");
  if (wrong === undefined) return true;
  throw new UsageError(`Cannot read --${wrong}: it is given twice or negated, expected one text`);
}

const SINGLE = ["file", "proto", "port", "action", "comment", "mode", "for", "expires-at", "description"];

/** Undefined where neither a file nor a rule flag is given. */
async function readRules(flags: ProposalFlags, { readFile }: ProposalContext): Promise<RuleSet | undefined> {
  const { file } = flags;
  const rule = parseRuleFlags(flags);
  if (file === undefined) return rule;
  if (rule) throw new UsageError("Cannot read rule set: found --file and a rule by flags, expected one of the two");
  return parseRuleSetFile(await readFile(file), { source: file === "-" ? "<stdin>" : file });
}

function currentOf(current: CurrentRuleSet, { isEdited }: { readonly isEdited: boolean }): RuleSet {
  const ways = "-f FILE, or one rule by --action and --host, --proto, --port";
  if (!isEdited) {
    throw new UsageError(
      `Cannot read rule set: no flag says what it is to be, expected ${ways}; to change what KV has: --mode, --for, --expires-at, --no-expiry or --description`,
    );
  }
  if (current === undefined) throw new Error(`Cannot change rule set: KV has none: give it rules with ${ways}`);
  if (current.ok) return current.value;
  const [first] = current.issues;
  const reason = first ? `${first.path}: ${first.message}` : "it is no rule set";
  throw new Error(`Cannot change rule set: what KV has is invalid (${reason}): replace it with ${ways}`);
}
