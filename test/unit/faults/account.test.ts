import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { groups } from "../../faults/groups.ts";
import type { RunRecord } from "../../faults/support/account.ts";
import { renderAccount } from "../../faults/support/render-account.ts";

const path = join(import.meta.dirname, "..", "..", "faults", "README.md");

const run: RunRecord = {
  group: "Consul",
  scenario: "it is gone",
  backend: "nft",
  form: "gate",
  seed: 1,
  seconds: 3.2,
  packets: { always: 10, never: 20, governed: 30 },
  notes: { opened: 40 },
  problems: [],
};
const machine = ["Linux"];
const listed = [{ name: "Consul", scenarios: [{ name: "it is gone", told: "a log line" }] }];

test("every scenario has a line in the account, and every line a scenario", async () => {
  const text = await readFile(path, "utf8");
  const inAccount = text.split("\n").filter((line) => line.startsWith("| ") && !/^\| (scenario|---) /.test(line));
  const names = groups.flatMap(({ scenarios }) => scenarios.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
  const told = inAccount.map((line) => line.split(" | ")[0]?.slice(2) ?? "");
  expect(sortedNames(told)).toEqual(sortedNames(names));
  expect(inAccount.filter((line) => line.includes("| not run |"))).toEqual([]);
});

test("every group that is run is listed for the account", async () => {
  const folder = join(path, "..");
  const files = (await readdir(folder)).filter((file) => file.endsWith(".test.ts"));
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
  const run = texts.flatMap((text) => [...text.matchAll(/testGroup\((\w+)\)/g)].map(([, name]) => name ?? ""));
  const listed = await readFile(join(folder, "groups.ts"), "utf8");
  expect(run.filter((name) => !new RegExp(`\\b${name}\\b[^;]*;\\s*$`).test(listed))).toEqual([]);
  expect(groups).toHaveLength(run.length);
});

test("a scenario that held is told with how often it ran and what took longest", () => {
  const text = renderAccount({
    groups: listed,
    records: [run, { ...run, backend: "legacy", notes: { opened: 50 } }],
    machine,
  });
  expect(text).toContain("| it is gone | a log line; followed within 8 s | nft 1 ×, legacy 1 ×; 6 s;");
  expect(text).toContain("holds; slowest: opened 50 ms");
  expect(text).toContain("No run had a problem.");
});

test("what did not hold, what did not run and what is known not to hold are told as they are", () => {
  const limited = [
    { name: "Consul", limits: ["It does not fly."], scenarios: listed.flatMap(({ scenarios }) => scenarios) },
  ];
  const failed = { ...run, problems: ["never IPv4: 3 packets arrived that must not"] };
  const text = renderAccount({ groups: limited, records: [failed, run], machine });
  expect(text).toContain("**does not hold** in 1 of 2");
  expect(text).toContain("- never IPv4: 3 packets arrived that must not");
  expect(text).toContain("- It does not fly.");
  expect(renderAccount({ groups: listed, records: [], machine })).toContain("| not run | unknown |");
});

/** How often a scenario does what it does is not the same in both forms of the suite. */
function sortedNames(names: readonly string[]): readonly string[] {
  return names.map((name) => name.replaceAll(/\d+/g, "n")).toSorted((a, b) => (a < b ? -1 : 1));
}
