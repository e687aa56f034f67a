import type { ArgumentsCamelCase, Argv } from "yargs";
import { formatReports } from "../lib/validate/format-reports.ts";
import { unreadableFile, validateFile } from "../lib/validate/validate-file.ts";
import { examples } from "./examples.ts";
import { jsonOption } from "./options.ts";
import { printJson, printText } from "./print.ts";
import { readRuleFiles } from "./rule-files.ts";

export const command = "validate <files..>";
export const describe = "Check rule sets and conflists in files; needs neither Consul nor root";

export function builder(yargs: Argv) {
  return jsonOption(yargs)
    .positional("files", {
      type: "string",
      array: true,
      demandOption: true,
      describe: "Files, folders, or - for standard input",
    })
    .option("quiet", { type: "boolean", default: false, describe: "Print only what is wrong" })
    .option("strict", { type: "boolean", default: false, describe: "Fail for warnings too" })
    .epilogue(
      [
        ...examples({
          "one file": "$0 rules validate rules/web.json",
          "a folder, for CI": "$0 rules validate rules/ --strict",
          "a conflist": "$0 rules validate net.conflist",
          "standard input": "$0 rules validate - < web.json",
        }),
        "A file is a rule set as KV holds it, a conflist (it has plugins), or the",
        'plugin\'s object ("type": "outbound"), told apart by what is in it. Of a folder',
        "its *.json and *.conflist files are read, at any depth. It parses with the very",
        "schemas that the watcher and the plugin parse with, and that outbound schema",
        "prints: what is valid here is taken there.",
        "",
        "A line for each thing wrong, FILE:LINE:COLUMN: PATH: MESSAGE. Warnings, for",
        "what is valid and probably not meant, fail only with --strict: a set that has",
        "expired, a list without rules, a rule that never decides, a conflist without",
        "outbound.",
        "",
        "Exit code 0: all valid, 1: something is not, 2: wrong usage.",
        "",
        "JSON: { files: [{ file, kind?: rule-set|conflist|plugin, isValid, rules?,",
        "                  issues:   [{ path, line, column, message }],",
        "                  warnings: [{ path, line, column, message }] }] }",
        "kind is absent where a file cannot be read, rules where it is not valid. Lines",
        "and columns count from 1, columns in UTF-16 code units.",
      ].join("\n"),
    );
}

type ValidateArguments = ArgumentsCamelCase<Awaited<ReturnType<typeof builder>["argv"]>>;

export function handler({ files, quiet, strict, json }: ValidateArguments): void {
  const nowMs = Date.now();
  // yargs loses a lone - among positional arguments.
  const names = process.argv.slice(2).includes("-") ? [...files.filter((file) => file !== "-"), "-"] : files;
  const reports = Array.from(readRuleFiles(names), (read) =>
    "bytes" in read ? validateFile(read.file, { bytes: read.bytes, nowMs }) : unreadableFile(read.file, read.reason),
  );
  if (json) printJson({ files: reports });
  else {
    const text = formatReports(reports, { isQuiet: quiet });
    if (text !== "") printText(text);
  }
  const isRight = reports.every(({ isValid, warnings }) => isValid && (!strict || warnings.length === 0));
  process.exitCode = isRight ? 0 : 1;
}
