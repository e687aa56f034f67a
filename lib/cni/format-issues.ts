import type { Issue } from "../policy/issue.ts";

/** An error message of megabytes would end up in the agent's log, and with each allocation's events. */
const MOST_ISSUES = 20;

/** Issues on one line, `path: message; path: message`, the root's without a path; the last counts those left out. */
export function formatIssues(issues: readonly Issue[]): string {
  const more = issues.length - MOST_ISSUES;
  const shown = issues.slice(0, MOST_ISSUES).map(formatIssue);
  return [...shown, ...(more > 0 ? [`and ${more} more issues`] : [])].join("; ");
}

function formatIssue({ path, message }: Issue): string {
  const shown = path.replace(/^\$\.?/, "");
  return shown === "" ? message : `${shown}: ${message}`;
}
