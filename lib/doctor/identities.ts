import type { Attachment } from "../policy/attachment.ts";
import { isIdentified } from "../policy/identity.ts";
import { problemOf, type IdentityProblem } from "../policy/identity-problem.ts";
import { isUnread, ok, unknown, warning, type Check, type Fact } from "./check.ts";
import { countOf, formatAge, listSome } from "./words.ts";

export interface IdentityFacts {
  readonly attachments: readonly Pick<Attachment, "containerId" | "identity" | "addedAt">[];
  /** What the watcher says of those whose identity is not known. */
  readonly problems: readonly IdentityProblem[];
  readonly nowMs: number;
}

/** Whether it is known whose each attachment is: without, the rule sets of its namespace, job and group do not apply. */
export function checkIdentities(facts: Fact<IdentityFacts>): Check {
  const name = "identities";
  if (isUnread(facts)) return unknown(name, { message: `whose the attachments are: ${facts.unread}` });
  const { attachments, problems, nowMs } = facts;
  const missing = attachments.filter(({ identity }) => !isIdentified(identity));
  if (missing.length === 0) {
    if (attachments.length === 0) return ok(name, "nothing is attached whose identity would be needed");
    return ok(name, `it is known whose each of ${countOf(attachments.length, "attachment")} is`);
  }
  const why = new Set(
    missing.map(({ containerId }) => problemOf(problems, containerId) ?? "the watcher has not said why"),
  );
  const sinceMs = Math.min(...missing.map(({ addedAt }) => Date.parse(addedAt)).filter(Number.isFinite), nowMs);
  const affected = missing.length === 1 ? "1 attachment is" : `${missing.length} attachments are`;
  return warning(name, {
    message: `it is not known whose ${affected}, since ${formatAge(nowMs - sinceMs)}: ${listSome([...why].toSorted())}`,
    remedy:
      "Where Nomad does not say it in CNI_ARGS (before 1.9.4, or a name with a semicolon), the watcher asks it: give the " +
      "watcher's task an identity block with file = true and nomad/outbound-watch.nomad-policy.hcl, or NOMAD_ADDR and NOMAD_TOKEN",
  });
}
