import { expect, test } from "vitest";
import { formatUninstall, reportFamily } from "../../../lib/inspect/uninstall-report.ts";

const family = reportFamily(
  4,
  {
    write: [],
    remove: ["CNI-OUTBOUND", "CNI-OUT-b"],
    anchors: ["-D FORWARD -j CNI-OUTBOUND", "-D INPUT -j CNI-OUTBOUND"],
    stuck: [{ chain: "CNI-OUT-c", reachedFrom: ["DOCKER-USER"] }],
    left: ["CNI-OUT-go"],
    leftEmpty: ["FORWARD", "INPUT"],
  },
  { made: ["INPUT"] },
);

test("an uninstall tells what went, what stays and why", () => {
  const report = { isDone: true, families: [family], files: ["/run/x.json"], leftFolders: ["/run"] };
  expect(formatUninstall(report).split("\n")).toEqual([
    "IPv4: Removed the jump in FORWARD",
    "IPv4: Removed the jump in INPUT",
    "IPv4: Removed chain CNI-OUT-b",
    "IPv4: Removed chain CNI-OUTBOUND",
    "IPv4: Removed chain INPUT",
    "IPv4: Only emptied CNI-OUT-c: rules of somebody else lead to it",
    "IPv4: FORWARD stays, empty; if it was not there before, iptables made it",
    "IPv4: Left CNI-OUT-go: the Go plugin's containers need it",
    "Removed /run/x.json",
    "Left /run: something else is in it",
  ]);
  expect(formatUninstall({ ...report, isDone: false })).toContain("Would remove /run/x.json");
});

test("a node without outbound says so", () => {
  const nothing = reportFamily(
    4,
    { write: [], remove: [], anchors: [], stuck: [], left: [], leftEmpty: [] },
    { made: [] },
  );
  expect(formatUninstall({ isDone: true, families: [nothing], files: [], leftFolders: [] })).toBe(
    "Nothing of outbound is on this node",
  );
});
