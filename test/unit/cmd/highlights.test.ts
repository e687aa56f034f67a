import { expect, test } from "vitest";
import { highlight, type Highlights } from "../../../cmd/colour.ts";
import {
  CHAINS_HIGHLIGHTS,
  CHANGE_HIGHLIGHTS,
  PLAN_HIGHLIGHTS,
  RULE_SETS_HIGHLIGHTS,
  STATUS_HIGHLIGHTS,
  VERDICT_HIGHLIGHTS,
} from "../../../cmd/highlights.ts";

/** The text with brackets around what is coloured. */
function marked(text: string, highlights: Highlights): string {
  const closed = highlight(text, highlights).replaceAll("\u{1b}[39m", "]");
  const codes = ["31", "32", "33", "36", "90"];
  return codes.reduce((part, code) => part.replaceAll(`\u{1b}[${code}m`, "["), closed);
}

test("a state is coloured where it stands, and not in a name, a note or another state", () => {
  const table = [
    "STATE     NODES  ATTACHMENTS  VERSION  RULE SET",
    "in force      3            4       12  global/expired",
    "PENDING     1/2            3       14  global/audit",
    "  n2: has version 12, in force",
    "NO MATCH      0            0       15  namespace/default/job/wbe/REJECTED",
  ].join("\n");
  expect(marked(table, STATUS_HIGHLIGHTS)).toBe(
    table.replace("in force  ", "[in force]  ").replace("PENDING", "[PENDING]").replace("NO MATCH", "[NO MATCH]"),
  );
  expect(marked("global/audit\n  REJECTED: version 3\n  ! $.mode", STATUS_HIGHLIGHTS)).toBe(
    "global/audit\n  [REJECTED]: version 3\n  ! $.mode",
  );
});

test("what comes and what goes is coloured by its sign, at the start of a line alone", () => {
  expect(marked("global/a: changed\n- DROP tcp - x\n+ ACCEPT\n  mode: + ", CHANGE_HIGHLIGHTS)).toBe(
    "global/a: changed\n[-] DROP tcp - x\n[+] ACCEPT\n  mode: + ",
  );
});

test("what a plan opens and closes is coloured", () => {
  expect(marked("+ ACCEPT\nOPENS   tcp to 10.0.0.1\nCLOSES  all\n  OPENS", PLAN_HIGHLIGHTS)).toBe(
    "[+] ACCEPT\n[OPENS]   tcp to 10.0.0.1\n[CLOSES]  all\n  OPENS",
  );
});

test("so are invalid rule sets, verdicts and missing chains", () => {
  expect(marked("  allow  2 rules  enforce  INVALID", RULE_SETS_HIGHLIGHTS)).toContain("[INVALID]");
  expect(marked("Allocation  drop\nVerdict     drop", VERDICT_HIGHLIGHTS)).toBe("Allocation  drop\nVerdict     [drop]");
  expect(marked("8f1c  web  lab  MISSING  yes", CHAINS_HIGHLIGHTS)).toBe("8f1c  web  lab  [MISSING]  yes");
});
