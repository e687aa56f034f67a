import { fstatSync } from "node:fs";
import type { ArgumentsCamelCase, Argv } from "yargs";
import { formatRuleSet } from "../lib/policy/rule-set.ts";
import { describeIssue, type RuleSetEntry } from "../lib/rules/entry.ts";
import { toPrintableJson } from "../lib/rules/printable-json.ts";
import { toProposal } from "../lib/rules/proposal.ts";
import { CONSUL_NOTE, consulOptions } from "./consul-options.ts";
import { withConsul } from "./consul-session.ts";
import { examples } from "./examples.ts";
import { jsonOption } from "./options.ts";
import { printJson, printText } from "./print.ts";
import { namePositional, needsFor, readEntry, readPlace, suggestKeys, type RuleSetPlace } from "./rule-set-entry.ts";
import { scopeOptions } from "./scope-options.ts";
import { createStderrLog } from "./stderr-log.ts";
import { UsageError } from "./usage-error.ts";

export const command = "get <name>";
export const describe = "Print a rule set";

export function builder(yargs: Argv) {
  return namePositional(jsonOption(consulOptions(scopeOptions(yargs))))
    .option("raw", { type: "boolean", default: false, describe: "Print the value's bytes as they are" })
    .epilogue(
      [
        ...examples({
          "by its scope and name": "$0 rules get allow-db --namespace default --job web",
          "by its whole key": "$0 rules get namespace/default/job/web/allow-db",
          "to edit it": "$0 rules get allow-db --namespace default --job web > rules.json",
        }),
        "Prints its canonical JSON, and its ModifyIndex on stderr. A value that is",
        "invalid is printed as it is, what is wrong with it on stderr.",
        "",
        "JSON: { key, scope: { kind, … }, name, modifyIndex, isValid,",
        "        issues: [{ path, message }], ruleSet: { rules: [], mode, expiresAt?,",
        "        description? } | null, raw }",
        "Exit code 0: printed, 1: no such rule set, invalid, or Consul could not be read,",
        "2: wrong usage.",
        "",
        CONSUL_NOTE,
      ].join("\n"),
    );
}

type GetArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export async function handler({ name, json, raw, ...flags }: GetArguments): Promise<void> {
  if (raw && json) throw new UsageError("Cannot print rule set: found --raw and --json, expected one of the two");
  const place = readPlace(name, flags);
  const entry = await withConsul(needsFor(place, "read"), async (session) => {
    const found = await readEntry(place, session);
    if (found) return found;
    throw new Error(`Cannot get ${place.key}: there is no such rule set${await suggestKeys(place, session)}`);
  });
  if (json) printJson(toJson(place, entry));
  else {
    const isLineOpen = print(entry, { isRaw: raw });
    if (isLineOpen && isSameFile(1, 2)) process.stderr.write("\n");
    tell(entry);
  }
  if (!entry.parsed.ok) process.exitCode = 1;
}

/** Whether what it printed, as it is, has no line feed at its end. */
function print({ parsed, value }: RuleSetEntry, { isRaw }: { readonly isRaw: boolean }): boolean {
  if (!isRaw && parsed.ok) printText(toPrintableJson(toProposal(parsed.value).text));
  else if (!isRaw && process.stdout.isTTY) printText(new TextDecoder().decode(value));
  else {
    process.stdout.write(value);
    return value.at(-1) !== LINE_FEED;
  }
  return false;
}

const LINE_FEED = 10;

/** One terminal, one pipe or one file: what goes to the one stands after what went to the other. */
function isSameFile(left: number, right: number): boolean {
  const [one, other] = [fstatSync(left), fstatSync(right)];
  return one.dev === other.dev && one.ino === other.ino;
}

function tell({ parsed, modifyIndex }: RuleSetEntry): void {
  process.stderr.write(`ModifyIndex ${modifyIndex}\n`);
  if (parsed.ok) return;
  const log = createStderrLog();
  for (const issue of parsed.issues) log.error({}, describeIssue(issue));
}

function toJson({ scope, name }: RuleSetPlace, { key, modifyIndex, parsed, value }: RuleSetEntry): object {
  return {
    key,
    scope,
    name,
    modifyIndex,
    isValid: parsed.ok,
    issues: parsed.ok ? [] : parsed.issues,
    ruleSet: parsed.ok ? formatRuleSet(parsed.value) : null,
    raw: new TextDecoder().decode(value),
  };
}
