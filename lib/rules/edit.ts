import { parseDuration } from "../policy/duration.ts";
import type { RuleSet } from "../policy/rule-set.ts";
import { parseTimestamp } from "../policy/timestamp.ts";
import { ProposalError, type ProposalIssue } from "./proposal-error.ts";

/** Flags that change something of a rule set and leave its rules alone. */
export interface EditFlags {
  readonly mode?: string | undefined;
  readonly for?: string | undefined;
  readonly expiresAt?: string | undefined;
  /** False for `--no-expiry`. */
  readonly expiry?: boolean | undefined;
  readonly description?: string | undefined;
}

/** What is not named stays as it is. */
export interface Edit {
  readonly mode?: RuleSet["mode"];
  /** Milliseconds since the epoch; `never` takes it away. */
  readonly expiresAt?: number | "never";
  /** Empty: takes it away. */
  readonly description?: string;
}

/** @throws ProposalError that names each flag that is wrong */
export function parseEdit(flags: EditFlags, { nowMs }: { readonly nowMs: number }): Edit {
  const issues: ProposalIssue[] = [];
  const refuse = (source: string, message: string): undefined => void issues.push({ source, message });
  const mode = parseMode(flags.mode, refuse);
  const expiresAt = parseExpiry(flags, { nowMs, refuse });
  if (issues.length > 0) throw new ProposalError(issues);
  return {
    ...(mode !== undefined && { mode }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(flags.description !== undefined && { description: flags.description }),
  };
}

export function isEmptyEdit(edit: Edit): boolean {
  return Object.keys(edit).length === 0;
}

export function editRuleSet(ruleSet: RuleSet, edit: Edit): RuleSet {
  const expiresAt = edit.expiresAt ?? ruleSet.expiresAt;
  const description = edit.description ?? ruleSet.description;
  return {
    rules: ruleSet.rules,
    mode: edit.mode ?? ruleSet.mode,
    ...(typeof expiresAt === "number" && { expiresAt }),
    ...(description !== undefined && description !== "" && { description }),
  };
}

type Refuse = (source: string, message: string) => undefined;

function parseMode(mode: string | undefined, refuse: Refuse): RuleSet["mode"] | undefined {
  if (mode === undefined || mode === "enforce" || mode === "audit") return mode;
  return refuse("--mode", `found ${JSON.stringify(mode)}, expected enforce or audit`);
}

function parseExpiry(
  flags: EditFlags,
  { nowMs, refuse }: { readonly nowMs: number; readonly refuse: Refuse },
): Edit["expiresAt"] {
  const given = [
    ...(flags.for === undefined ? [] : ["--for"]),
    ...(flags.expiresAt === undefined ? [] : ["--expires-at"]),
    ...(flags.expiry === undefined ? [] : [flags.expiry ? "--expiry" : "--no-expiry"]),
  ];
  const [source = "", other] = given;
  if (other !== undefined) return refuse(other, `found it with ${source}, expected one of the two`);
  if (flags.expiry === false) return "never";
  try {
    if (flags.for !== undefined) return nowMs + parseDuration(flags.for);
    if (flags.expiresAt !== undefined) return parseTimestamp(flags.expiresAt);
  } catch (error) {
    return refuse(source, error instanceof Error ? error.message : String(error));
  }
  return flags.expiry === undefined ? undefined : refuse("--expiry", "expected --for, --expires-at or --no-expiry");
}
