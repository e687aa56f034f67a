import { formatRuntimeRules } from "../../../lib/host/runtime-rules-text.ts";
import { formatAttachment } from "../../../lib/policy/attachment-record.ts";
import type { Finding } from "../support/campaign.ts";
import { CACHED, RECORDED } from "../support/good-state.ts";
import type { Sabotage } from "../support/sabotage.ts";

const record = formatAttachment(RECORDED);
const cache = formatRuntimeRules(CACHED, { latestMs: 1 });

/** Texts of records that were taken for good ones. */
export const RECORD_CORPUS: readonly Finding<string>[] = [
  { was: "one flipped bit in an accepted block opened another", input: record.replace("10.10.0.0/16", "10.11.0.0/16") },
  { was: "one changed digit in a port opened another", input: record.replace('"port": "53"', '"port": "63"') },
  { was: "one changed letter gave it another job's rules", input: record.replace('"job": "web"', '"job": "wea"') },
  {
    was: "a name that is no Unicode text ended every pass",
    input: formatAttachment({ ...RECORDED, identity: { namespace: "default", job: "\ud800" } }),
  },
  {
    was: "an interface by the name of an option",
    input: formatAttachment({ ...RECORDED, hostInterface: { name: "-j", isBridgePort: true } }),
  },
];

/** Texts of `runtime-rules.json`. */
export const CACHE_CORPUS: readonly Finding<string>[] = [
  { was: "one flipped bit in an accepted block opened another", input: cache.replace("10.20.0.0/16", "10.21.0.0/16") },
  { was: "one changed digit in an expiry kept rules in force", input: cache.replace("2027-11-24", "2037-11-24") },
  { was: "one changed letter in a key took a deny away", input: cache.replace("global/deny", "global/denx") },
  { was: "an earlier clock let expired rules through", input: cache.replace('"latestMs":1', '"latestMs":0') },
  {
    was: "a file whose checksum had moved elsewhere was one without",
    input: cache.replace(/"checksum":\d+,/, "").replace("10.20.0.0/16", "10.21.0.0/16"),
  },
];

const text = "";
const file = 0;
const other = 0;

/** Folders. The first file is a record, the second the same set aside. */
export const FOLDER_CORPUS: readonly Finding<readonly Sabotage[]>[] = [
  { was: "DEL failed for ever on a folder in a record's place", input: [{ file, kind: "folder", other, text }] },
  { was: "DEL failed for ever on a full folder", input: [{ file: 1, kind: "full folder", other, text }] },
  {
    was: "a record that could not be set aside ended every pass",
    input: [
      { file, kind: "text", other, text: "{" },
      { file: 1, kind: "full folder", other, text },
    ],
  },
  { was: "a link that leads nowhere was no record", input: [{ file, kind: "dangling link", other, text }] },
  { was: "a named pipe held the reader up", input: [{ file, kind: "pipe", other, text }] },
  { was: "a device filled the memory", input: [{ file, kind: "link to a device", other, text }] },
  { was: "a file of three gigabytes was read", input: [{ file: 6, kind: "huge", other, text }] },
];
