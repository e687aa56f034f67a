import { describe, expect, test } from "vitest";
import type { Check, Fact } from "../../../lib/doctor/check.ts";
import { findConflists, type ConfigFile } from "../../../lib/doctor/conflist.ts";
import { checkConflists } from "../../../lib/doctor/conflists.ts";
import { containing } from "../../support/containing.ts";
import { troubles } from "./checks.ts";

const outbound = { type: "outbound", outboundRules: [{ host: "10.0.0.1", action: "ACCEPT" }] };
const list = { cniVersion: "1.0.0", name: "egress", plugins: [{ type: "bridge" }, { type: "firewall" }, outbound] };

function fileOf(content: unknown, name = "egress.conflist"): ConfigFile {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  return { name, bytes: new TextEncoder().encode(text) };
}

function check(files: Fact<readonly ConfigFile[]> | undefined): readonly Check[] {
  return checkConflists({
    folder: "/opt/cni/config",
    files,
    stateDir: "/run/cni-outbound",
    cacheDir: "/var/lib/cni-outbound",
  });
}

/** Checks of one list, of which something is changed. */
function checkList(changes: object): readonly Check[] {
  return check([fileOf({ ...list, ...changes })]);
}

describe("a folder of conflists", () => {
  test("with one good list is good", () => {
    expect(check([fileOf(list)])).toEqual([
      {
        name: "conflist egress.conflist",
        state: "ok",
        message: 'egress.conflist: network "egress", outbound comes last',
      },
    ]);
  });

  test("that is missing, empty or without outbound is a problem", () => {
    const plain = fileOf({ ...list, plugins: [{ type: "bridge" }] });
    expect(check(undefined)).toMatchObject([{ state: "problem", message: "/opt/cni/config does not exist" }]);
    expect(check([])).toMatchObject([{ state: "problem", message: "no list of plugins is in /opt/cni/config" }]);
    expect(check([plain])).toMatchObject([
      { name: "conflists", state: "problem", message: "outbound is in none of 1 file in /opt/cni/config" },
    ]);
    expect(check({ unread: "needs root" })).toMatchObject([{ state: "unknown" }]);
  });

  test("is not judged for lists without outbound, but for files that Nomad cannot read", () => {
    const plain = fileOf({ ...list, name: "Plain", plugins: [{ type: "bridge" }] }, "a.conflist");
    expect(troubles(check([plain, fileOf(list)]))).toEqual([]);
    const broken = check([fileOf('{ "name": "x", ', "a.conf"), fileOf("[]", "b.json"), fileOf(list)]);
    expect(troubles(broken)).toMatchObject([
      { name: "conflist a.conf", state: "problem", message: containing(/^a\.conf: .*line 1/) },
      { name: "conflist b.json", state: "problem" },
    ]);
    const unread = check([{ name: "a.conflist", bytes: { unread: "needs root" } }, fileOf(list)]);
    expect(troubles(unread)).toMatchObject([{ name: "conflist a.conflist", state: "unknown" }]);
  });

  test("in which two files have one name has one too many", () => {
    const first = fileOf({ name: "egress", type: "ptp", cniVersion: "1.0.0" }, "a.conf");
    expect(troubles(check([first, fileOf(list)]))).toMatchObject([
      { name: "conflist egress.conflist", state: "problem", message: containing("that of a.conf too") },
    ]);
  });
});

describe("a conflist", () => {
  test("tells each thing wrong with outbound's configuration, and where", () => {
    const text = JSON.stringify(
      { ...list, plugins: [{ type: "outbound", defaultActoin: "DROP", jobRules: "no" }] },
      null,
      2,
    );
    const checks = check([fileOf(text)]);
    expect(checks.map(({ state, message }) => `${state} ${message}`)).toEqual([
      containing(/^problem egress\.conflist:8:19: \$\.plugins\[0\]\.jobRules: found "no"/),
      containing(/^problem egress\.conflist:7:7: .*defaultActoin.*did you mean "defaultAction"/),
    ]);
    expect(checks[0]?.remedy).toContain("outbound rules validate /opt/cni/config/egress.conflist");
  });

  test("warns of a rule that never decides", () => {
    const outboundRules = [{ action: "DROP" }, { host: "10.0.0.1", action: "ACCEPT" }];
    expect(checkList({ plugins: [{ type: "outbound", outboundRules }] })).toMatchObject([
      { state: "warning", message: containing("never decides") },
    ]);
  });

  test("has outbound last, once, and after firewall", () => {
    const [bridge, firewall] = [{ type: "bridge" }, { type: "firewall" }];
    const messages = [
      [bridge, outbound, { type: "tuning" }],
      [bridge, outbound, firewall, { type: "tuning" }],
      [outbound, bridge, outbound],
    ].map((plugins) => troubles(checkList({ plugins })).map(({ state, message }) => `${state} ${message}`));
    expect(messages).toEqual([
      [containing(/^problem .*"tuning" comes after outbound/)],
      [containing(/^problem .*firewall comes after outbound/)],
      ["problem egress.conflist: outbound is in it 2 times"],
    ]);
  });

  test("has a name that Nomad finds", () => {
    expect(checkList({ name: "Egress" })).toMatchObject([{ state: "problem", remedy: 'Name it "egress"' }]);
    expect(checkList({ name: "a b" })).toMatchObject([{ state: "problem" }]);
    expect(checkList({ name: undefined })).toMatchObject([{ state: "problem" }]);
  });

  test("has a version that every Nomad reads, and that knows CHECK", () => {
    const states = ["1.1.0", "1.0.0", "0.4.0", "0.3.1", "7.0.0", 1].map(
      (cniVersion) => checkList({ cniVersion })[0]?.state,
    );
    expect(states).toEqual(["warning", "ok", "ok", "warning", "problem", "problem"]);
    expect(checkList({ cniVersion: undefined })).toMatchObject([{ state: "warning" }]);
    expect(checkList({ cniVersions: ["1.0.0", "1.1.0"] })).toMatchObject([{ state: "warning" }]);
  });

  test("keeps its state where this command looks", () => {
    expect(checkList({ plugins: [{ ...outbound, stateDir: "/run/cni-outbound/" }] })[0]?.state).toBe("ok");
    const other = checkList({ plugins: [{ ...outbound, stateDir: "/srv/a", cacheDir: "/srv/b" }] });
    expect(other).toMatchObject([
      {
        state: "problem",
        message: containing("/srv/a"),
        remedy: containing(/--state-dir \/srv\/a/),
      },
      {
        state: "problem",
        message: containing("/srv/b"),
        remedy: containing(/--cache-dir \/srv\/b/),
      },
    ]);
  });
});

test("lists with outbound are found among other files", () => {
  const files = [
    fileOf("{", "a.conflist"),
    fileOf({ ...list, plugins: [] }, "b.conflist"),
    fileOf(list),
    fileOf(list, "x.conf"),
  ];
  expect(findConflists(files).map(({ file }) => file)).toEqual(["egress.conflist"]);
  expect(findConflists({ unread: "needs root" })).toEqual([]);
});
