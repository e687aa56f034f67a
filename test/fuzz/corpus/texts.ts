import { formatNodeStatus } from "../../../lib/status/node-status.ts";
import { statusOf } from "../../unit/status/fixtures.ts";
import type { Finding } from "../support/campaign.ts";

/** Lines of the kernel's log. */
export const LOG_LINE_CORPUS: readonly Finding<string>[] = [
  { was: "an empty protocol", input: "outbound 8623ac7a-28ba-20c3: SRC=10.88.0.2 DST=192.0.2.1 PROTO= SPT=1 DPT=443" },
  { was: "any text as a protocol", input: "outbound 8623ac7a-28ba-20c3: SRC=10.88.0.2 DST=192.0.2.1 PROTO=\u001b[2J" },
];

const status = statusOf("n1");
const [group] = status.groups;

/** Values of `outbound/status/<node>`. */
export const STATUS_CORPUS: readonly Finding<string>[] = [
  {
    was: "a job with 40 ancestors and 40,000 allocations took a minute and more",
    input: statusWith({
      job: `web${"/dispatch-1".repeat(40)}`,
      allocations: Array.from({ length: 40_000 }, () => "a"),
    }),
  },
  {
    was: "a job with 20,000 ancestors filled the memory",
    input: statusWith({ job: `web${"/dispatch-1".repeat(20_000)}`, allocations: ["a"] }),
  },
  { was: "a name that is no Unicode text ended the command", input: statusWith({ job: "\ud800", allocations: ["a"] }) },
];

/** Files for `outbound rules validate`, and their names. */
export const FILE_CORPUS: readonly Finding<readonly [name: string, bytes: Uint8Array]>[] = [];

/** Files that the executable and its sources judge one after another. */
export const FILES_CORPUS: readonly Finding<readonly Uint8Array[]>[] = [
  {
    was: "a key that Node took for that of the file before, as the executable did not",
    input: ["\\\\", "\\r", "\\n"].map((key) => new TextEncoder().encode(`{"rules":[],"mode":"audit","${key}":1}`)),
  },
];

function statusWith(part: { readonly job: string; readonly allocations: readonly string[] }): string {
  return formatNodeStatus({ ...status, groups: group ? [{ ...group, ...part }] : [] });
}
