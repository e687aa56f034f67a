import type { Highlights } from "./colour.ts";

/** Signs of lines that come and go, at their start. */
const CHANGES = { "+": "green", "-": "red", "~": "yellow" } as const;

export const CHANGE_HIGHLIGHTS: Highlights = { words: CHANGES, where: /^[-+~] /gm };

export const PLAN_HIGHLIGHTS: Highlights = {
  words: { ...CHANGES, OPENS: "yellow", CLOSES: "cyan", REJECTS: "cyan", DROPS: "cyan", "NOT ALL": "red" },
  where: /^(?:[-+~]|OPENS|CLOSES|REJECTS|DROPS|NOT ALL)(?=[ :])/gm,
};

export const STATUS_HIGHLIGHTS: Highlights = {
  words: {
    "in force": "green",
    audit: "cyan",
    expired: "gray",
    PENDING: "yellow",
    REMOVING: "yellow",
    "NO MATCH": "yellow",
    UNKNOWN: "yellow",
    REJECTED: "red",
  },
  where: /^(?: {2})?(?:in force|audit|expired|[A-Z]+(?: MATCH)?)(?= {2}|:)/gm,
};

export const RULE_SETS_HIGHLIGHTS: Highlights = {
  words: { expired: "yellow", INVALID: "red" },
  where: /(?<= {2})(?:expired|INVALID)(?= {2}|$)/gm,
};

export const VERDICT_HIGHLIGHTS: Highlights = {
  words: { accept: "green", drop: "red", reject: "red" },
  where: /^Verdict .*$/gm,
};

export const CHAINS_HIGHLIGHTS: Highlights = {
  words: { MISSING: "red", EMPTY: "red" },
  where: /(?<= {2})(?:MISSING|EMPTY)(?= |$)/gm,
};
