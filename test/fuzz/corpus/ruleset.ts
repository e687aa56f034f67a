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
  ...Array.from({ length: 60 }, (_, at) => ({
    was: `rule ${at} with another target passed for ours`,
    input: { runtimeRules, edits: [retargeted(at)], phase: 0 },
  })),
];

function retargeted(at: number): TableEdit {
  return { ...nowhere, kind: "retarget", at };
}
