import { expect, test } from "vitest";
import { aboutText } from "../../../lib/cni/version.ts";
import type { Fact } from "../../../lib/doctor/check.ts";
import { checkExecutable, type PluginFile } from "../../../lib/doctor/executable.ts";

const folders = ["/opt/cni/bin", "/usr/libexec/cni"];
const good: PluginFile = { path: "/opt/cni/bin/outbound", isExecutable: true, about: aboutText("1.2.3") };

function stateOf(found: Fact<PluginFile> | undefined): string {
  return checkExecutable({ folders, found, ownVersion: "1.2.3" }).state;
}

test("an executable of this version is good, of another one a warning with both", () => {
  expect(stateOf(good)).toBe("ok");
  const other = checkExecutable({ folders, found: { ...good, about: aboutText("1.2.4") }, ownVersion: "1.2.3" });
  expect(other.state).toBe("warning");
  expect(other.message).toBe("/opt/cni/bin/outbound is version 1.2.4, and this one is 1.2.3");
});

test("one that is missing, not executable or another program is a problem", () => {
  expect(stateOf(undefined)).toBe("problem");
  expect(stateOf({ ...good, isExecutable: false, about: { unread: "not run" } })).toBe("problem");
  expect(stateOf({ ...good, about: "CNI outbound plugin version unknown" })).toBe("problem");
});

test("one that does not answer, or cannot be looked at, is unknown", () => {
  expect(stateOf({ ...good, about: { unread: "it ends with 1" } })).toBe("unknown");
  expect(stateOf({ unread: "needs root" })).toBe("unknown");
});
