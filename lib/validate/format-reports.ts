import type { LocatedIssue } from "../policy/locate.ts";
import type { FileReport } from "./validation.ts";

/**
 * A line for each thing wrong, in the form of compilers, which editors and CI systems make links of:
 * `web.json:3:14: $.rules[0].port: found …`; and one for each file that is all right, unless `isQuiet`.
 */
export function formatReports(reports: readonly FileReport[], { isQuiet }: { readonly isQuiet: boolean }): string {
  return reports.flatMap((report) => [...problems(report), ...(isQuiet ? [] : allRight(report))]).join("\n");
}

function problems({ file, issues, warnings }: FileReport): readonly string[] {
  const inOrder = [
    ...issues.map((issue) => ({ ...issue, mark: "" })),
    ...warnings.map((issue) => ({ ...issue, mark: "warning: " })),
  ];
  return inOrder
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
    .map(({ mark, ...issue }) => formatIssue(file, issue, mark));
}

function formatIssue(file: string, { line, column, path, message }: LocatedIssue, mark: string): string {
  return oneLine(`${file}:${line}:${column}: ${mark}${path}: ${message}`);
}

function allRight({ file, isValid, rules }: FileReport): readonly string[] {
  if (!isValid) return [];
  return [oneLine(`${file}: ok${rules === undefined ? "" : `, ${rules} ${rules === 1 ? "rule" : "rules"}`}`)];
}

/** A file's name may hold a line feed, and must not look like another line. */
function oneLine(text: string): string {
  return text.replaceAll("\n", "\u{fffd}");
}
