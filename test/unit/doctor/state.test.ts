import { expect, test } from "vitest";
import type { Check } from "../../../lib/doctor/check.ts";
import { checkState, type CacheFacts, type StateFacts } from "../../../lib/doctor/state.ts";
import { containing } from "../../support/containing.ts";
import { states, troubles } from "./checks.ts";

const cache: CacheFacts = { node: "n1", ruleSets: 2, refused: [], writtenAtMs: 0, latestMs: 0 };
const good: StateFacts = {
  stateDir: "/run/o",
  cacheDir: "/var/o",
  files: [
    { path: "/run/o", isFolder: true, mode: 0o700 },
    { path: "/run/o/a.json", isFolder: false, mode: 0o600 },
  ],
  records: { attachments: 1, unreadable: new Set() },
  cache,
  node: undefined,
  nowMs: 300_000,
};

function troublesOf(changes: Partial<StateFacts>): readonly Check[] {
  return troubles(checkState({ ...good, ...changes }));
}

test("folders and files of root's alone, records and a cache are good", () => {
  const checks = checkState(good);
  expect(states(checks)).toEqual(["ok file modes", "ok records", "ok cached rules"]);
  expect(checks[2]?.message).toBe("2 rule sets of node n1 are cached, since 5 min");
  expect(troublesOf({ files: [], records: { attachments: 0, unreadable: new Set() } })).toEqual([]);
});

test("what others may read is a warning, what they may write a problem", () => {
  const folder = { path: "/run/o", isFolder: true, mode: 0o755 };
  const file = { path: "/run/o/a.json", isFolder: false, mode: 0o640 };
  expect(troublesOf({ files: [folder, file] })).toMatchObject([
    {
      state: "warning",
      message: "others may read /run/o (0755), /run/o/a.json (0640)",
      remedy: "chmod 0700 /run/o; chmod 0600 /run/o/a.json",
    },
  ]);
  expect(troublesOf({ files: [folder, { ...file, mode: 0o620 }] })).toMatchObject([
    { state: "problem", message: containing("/run/o/a.json (0620)"), remedy: "chmod 0600 /run/o/a.json" },
  ]);
});

test("a record that cannot be read is a problem", () => {
  expect(troublesOf({ records: { attachments: 1, unreadable: new Set(["CNI-OUT-1"]) } })).toMatchObject([
    { name: "records", state: "problem", message: "1 record cannot be read: CNI-OUT-1" },
  ]);
});

test("a cache that is missing is a warning, one that cannot be used a problem", () => {
  expect(troublesOf({ cache: undefined })).toMatchObject([{ name: "cached rules", state: "warning" }]);
  expect(troublesOf({ cache: { unread: "the end is missing" } })).toMatchObject([
    { state: "problem", message: containing("the end is missing") },
  ]);
  expect(troublesOf({ cache: { ...cache, refused: ["global/a"] } })).toMatchObject([
    { state: "warning", message: containing("global/a") },
  ]);
});

test("a clock behind the cache is a problem, for expiry", () => {
  expect(troublesOf({ cache: { ...cache, latestMs: 300_900 } })).toEqual([]);
  expect(troublesOf({ cache: { ...cache, latestMs: 330_000 } })).toMatchObject([
    { state: "problem", message: containing("30 s behind") },
  ]);
});

test("another node's cache is a warning where it is said which node this is", () => {
  expect(troublesOf({ node: "n1" })).toEqual([]);
  expect(troublesOf({ node: "n2" })).toMatchObject([{ state: "warning", message: containing("this node is n2") }]);
});

test("what only root may read is unknown", () => {
  const unread = { unread: "needs root" };
  expect(states(checkState({ ...good, files: unread, records: unread, cache: unread }))).toEqual([
    "unknown file modes",
    "unknown records",
    "unknown cached rules",
  ]);
});
