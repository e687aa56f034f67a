import { expect, test } from "vitest";
import { toEntry } from "../../../lib/rules/entry.ts";
import { formatRuleSetList, listRuleSets } from "../../../lib/rules/rule-set-list.ts";

function listOf(values: Readonly<Record<string, string>>) {
  const entries = Object.entries(values).map(([key, value]) =>
    toEntry({ key, modifyIndex: 7, value: Buffer.from(value) }),
  );
  return listRuleSets(entries, { nowMs: Date.parse("2026-11-24T00:00:00Z") });
}

const drop = '{"action":"DROP"}';

test("each rule set is a row under its scope, widest scopes first", () => {
  const list = listOf({
    "global/deny-metadata": drop,
    "namespace/default/job/web/allow-db": `{"rules":[${drop},${drop}],"mode":"audit","expiresAt":"2026-12-01T00:00:00.5Z"}`,
    "namespace/default/zebra": drop,
    "network/pods/old": `{"rules":[],"expiresAt":"2026-11-01T00:00:00Z"}`,
    "node/n1/x": drop,
  });
  expect(formatRuleSetList(list).split("\n")).toEqual([
    "  NAME           RULES  MODE     EXPIRES               STATE",
    "--global",
    "  deny-metadata      1  enforce  -                     ok",
    "--node n1",
    "  x                  1  enforce  -                     ok",
    "--network pods",
    "  old                0  enforce  2026-11-01T00:00:00Z  expired",
    "--namespace default",
    "  zebra              1  enforce  -                     ok",
    "--namespace default --job web",
    "  allow-db           2  audit    2026-12-01T00:00:00Z  ok",
  ]);
});

test("an invalid one says its first issue, and how many more there are", () => {
  const text = formatRuleSetList(listOf({ "global/x": '{"action":"NO","port":70000}' }));
  expect(text.replaceAll(/\s+/g, " ")).toMatch(/ x - - - INVALID \$\.port: Cannot parse port: .* \(and 1 more: /);
});

test("a key that fits no scope says why, and a folder is left out", () => {
  const list = listOf({ "namspace/default/x": drop, "global/": "" });
  expect(list).toMatchObject({ ruleSets: [], unknown: [{ key: "namspace/default/x" }] });
  expect(formatRuleSetList(list)).toMatch(/^Keys that fit no scope[^]*found no scope/);
});

test("a blank line is between the rule sets and the keys that are none", () => {
  const list = listOf({ "namspace/default/x": drop, "global/x": drop });
  expect(formatRuleSetList(list)).toMatch(/ok\n\nKeys that fit no scope/);
});

test("no row is wider than 80 columns, and a name too long for one stands alone", () => {
  const long = "n".repeat(70);
  const text = formatRuleSetList(
    listOf({
      [`global/${long}`]: `{"rules":[${Array.from({ length: 12_345 }, () => drop).join()}],"expiresAt":"2026-11-01T00:00:00Z"}`,
      "global/broken": `"${"word ".repeat(200)}"`,
      [`unknown/${"w".repeat(60)}`]: drop,
    }),
  );
  expect(text).toContain(`\n  ${long}\n`);
  expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
});

test("a name with a line feed stays on its row", () => {
  expect(formatRuleSetList(listOf({ "global/a=0Ab": drop })).split("\n")).toHaveLength(3);
});
