import type { Finding } from "../support/campaign.ts";

export const CNI_ARGS_CORPUS: readonly Finding<string>[] = [
  {
    was: "half a surrogate pair in a job's name: all such names had one key",
    input: "NOMAD_JOB_ID=\ud800;NOMAD_REGION=é",
  },
];
