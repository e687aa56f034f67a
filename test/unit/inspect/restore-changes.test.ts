import { expect, test } from "vitest";
import { formatPass, parseRestoreChanges } from "../../../lib/inspect/restore-changes.ts";
import { renderPlan } from "../../../lib/netfilter/render-plan.ts";

const text = renderPlan({
  write: [{ name: "CNI-OUTBOUND", rules: [{ text: "-i veth1 -g CNI-OUT-x", hash: "1:a", target: "CNI-OUT-x" }] }],
  remove: ["CNI-OUT-old"],
  anchors: ["-D FORWARD -j CNI-OUTBOUND", "-I FORWARD 1 -j CNI-OUTBOUND"],
  stuck: [],
});

test("a transaction says which chains it writes, which it removes, and where it moves jumps", () => {
  expect(parseRestoreChanges(text)).toEqual({
    written: ["CNI-OUTBOUND"],
    removed: ["CNI-OUT-old"],
    anchored: ["FORWARD"],
  });
});

test("a chain of ours that is edited is written", () => {
  const edited = "*filter\n-S CNI-OUT-PASS\n-D CNI-OUT-PASS -j DROP\n-I FORWARD 1 -j CNI-OUTBOUND\nCOMMIT\n";
  expect(parseRestoreChanges(edited)).toEqual({ written: ["CNI-OUT-PASS"], removed: [], anchored: ["FORWARD"] });
});

test("a pass is told one change a line", () => {
  const changed = [{ family: 4, ...parseRestoreChanges(text) } as const];
  expect(formatPass({ attachments: 1, isSettled: true, changed }).split("\n")).toEqual([
    "IPv4  written            CNI-OUTBOUND",
    "IPv4  removed            CNI-OUT-old",
    "IPv4  jump put right in  FORWARD",
  ]);
  expect(formatPass({ attachments: 2, isSettled: false, changed: [] }).split("\n")).toEqual([
    "Nothing had to be changed for 2 attachments",
    "The rules from Consul KV are not all known here: nothing was removed",
  ]);
});
