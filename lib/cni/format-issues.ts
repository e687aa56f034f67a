import type { Issue } from "../policy/issue.ts";

/** All issues on one line, `path: message; path: message`, the root's without a path. */
export function formatIssues(issues: readonly Issue[]): string {
  return issues.map(formatIssue).join("; ");
}

function formatIssue({ path, message }: Issue): string {
  const shown = path.replace(/^\$\.?/, "");
  return shown === "" ? message : `${shown}: ${message}`;
}
