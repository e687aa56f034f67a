import type { Finding } from "../support/campaign.ts";
import type { DriftCase, ListingCase, TableEdit } from "../support/table-cases.ts";

const runtimeRules = { node: "n1", ruleSets: [] };
const nowhere = { at: 0, to: 0, line: "-A FORWARD -j ACCEPT", target: "ACCEPT" } as const;

export const LISTING_CORPUS: readonly Finding<ListingCase>[] = [
  {
    was: "a chain's name that restore reads otherwise",
    input: {
      runtimeRules,
      edits: [],
      noise: [
        {
          at: 0,
          replaced: 0,
          text: "\n:CNI-OUTBOUN\\D - [0:0]\n-A CNI-OUTBOUN\\D -s 10.88.0.2/32 -j CNI-OUT-0123456789abcdef0123\n",
        },
      ],
    },
  },
];

/** Whatever keeps our comment need not be what we wrote: as where a saved table was edited and restored. */
export const DRIFT_CORPUS: readonly Finding<DriftCase>[] = [
  {
    was: "a jump of ours that now accepts: the text to delete it was refused, and every pass with it",
    input: { runtimeRules, edits: [retargeted(0)], phase: 0 },
  },
  {
    was: "an accept of somebody else's, with the comment --comment, passed for a rule without a target",
    input: {
      runtimeRules,
      edits: [{ ...nowhere, kind: "insert", line: '-A FORWARD -m comment --comment "--comment" -j ACCEPT' }],
      phase: 0,
    },
  },
  ...["ACCEPT", "RETURN"].map((target) => ({
    was: `a rule with the comment of the admin chain's jump passed for it, and was ${target}`,
    input: { runtimeRules, edits: [deleted(2), { ...retargeted(3), target }], phase: 0 },
  })),
  ...["CNI-OUT-0123456789abcdef0123", "CNI-OUTBOUND", "CNI-FORWARD"].map((chain) => ({
    was: `a goto to ${chain} in front of our jump passed for a jump, which packets come back from`,
    input: {
      runtimeRules,
      edits: [{ ...nowhere, kind: "insert" as const, line: `-A FORWARD -g ${chain}` }, deleted(3)],
      phase: 0,
    },
  })),
  ...Array.from({ length: 60 }, (_, at) => ({
    was: `rule ${at} as a goto passed for ours, a jump`,
    input: { runtimeRules, edits: [{ ...nowhere, kind: "goto" as const, at }], phase: 0 },
  })),
  ...Array.from({ length: 60 }, (_, at) => ({
    was: `rule ${at} with another target passed for ours`,
    input: { runtimeRules, edits: [retargeted(at)], phase: 0 },
  })),
];

function deleted(at: number): TableEdit {
  return { ...nowhere, kind: "delete", at };
}

function retargeted(at: number): TableEdit {
  return { ...nowhere, kind: "retarget", at };
}
