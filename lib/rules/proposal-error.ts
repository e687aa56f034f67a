/** One thing that keeps a proposal from being written. */
export interface ProposalIssue {
  /** The file's name, `<stdin>`, or the flag: `--port`. */
  readonly source: string;
  /** Where in the file's JSON: `$.rules[2].port`. A flag has none. */
  readonly path?: string;
  /** From 1, where the path is found in a text. */
  readonly line?: number;
  /** From 1, in characters. */
  readonly column?: number;
  /** What was found and what was expected. */
  readonly message: string;
}

/** What was proposed is no rule set. `message` says every issue. */
export class ProposalError extends Error {
  override readonly name = "ProposalError";
  /** At least one. */
  readonly issues: readonly ProposalIssue[];

  constructor(issues: readonly ProposalIssue[]) {
    const [first = "", ...others] = issues.map(formatProposalIssue);
    const list = others.length === 0 ? first : [`${issues.length} issues`, first, ...others].join("\n  ");
    super(`Cannot read rule set: ${list}`);
    this.issues = issues;
  }
}

/** `rules.json:3:14: $.rules[2].port: found 70000, expected …`; `--port: …`. */
function formatProposalIssue({ source, path, line, column, message }: ProposalIssue): string {
  const place = line === undefined ? source : [source, line, column ?? 1].join(":");
  return [place, ...(path === undefined ? [] : [path]), message].join(": ");
}
