import type { Issue } from "../policy/issue.ts";
import type { LocatedIssue } from "../policy/locate.ts";

/** What is wrong and what is suspicious in one kind of file. */
export interface Findings {
  /** Rules in it; absent where they cannot be counted. */
  readonly rules?: number;
  readonly issues: readonly Issue[];
  readonly warnings: readonly Issue[];
}

export type FileKind = "rule-set" | "conflist" | "plugin";

/** What `rules validate` has to say of one file. */
export interface FileReport {
  readonly file: string;
  /** Absent where the file could not be read. */
  readonly kind?: FileKind;
  readonly isValid: boolean;
  readonly rules?: number;
  readonly issues: readonly LocatedIssue[];
  /** What is valid and probably not meant. */
  readonly warnings: readonly LocatedIssue[];
}
