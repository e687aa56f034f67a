import { expect, test } from "vitest";
import { checkIptables, type IptablesFacts, type IptablesProgram } from "../../../lib/doctor/iptables.ts";
import { containing } from "../../support/containing.ts";
import { states, troubles } from "./checks.ts";

const nft: IptablesProgram = { file: "/usr/sbin/x", version: "1.8.9", variant: "nf_tables", otherRules: 0 };
const good: IptablesFacts = { hasFamily: true, program: nft };

test("both families' programs of one variant are good", () => {
  const checks = checkIptables({ 4: good, 6: good });
  expect(troubles(checks)).toEqual([]);
  expect(checks[0]?.message).toBe("iptables 1.8.9, nf_tables");
});

test("a program that is missing or does not run is a problem of its family alone", () => {
  expect(states(checkIptables({ 4: good, 6: { hasFamily: true, program: undefined } }))).toEqual([
    "ok iptables",
    "problem ip6tables",
    "ok iptables variants",
  ]);
  const [broken] = checkIptables({ 4: { hasFamily: true, program: { unread: "exit code 1" } }, 6: good });
  expect(broken).toMatchObject({ state: "problem", message: containing("exit code 1") });
});

test("a kernel without IPv6 needs no ip6tables", () => {
  expect(troubles(checkIptables({ 4: good, 6: { hasFamily: false, program: undefined } }))).toEqual([]);
});

test("rules of the other variant are told by how many and of which program", () => {
  const mixed = { hasFamily: true, program: { ...nft, otherRules: 3 } };
  expect(troubles(checkIptables({ 4: good, 6: mixed }))).toMatchObject([
    { state: "warning", message: containing(/^3 rules of ip6tables-legacy in force beside/) },
  ]);
  const legacy = { hasFamily: true, program: { ...nft, variant: "legacy", otherRules: 1 } as const };
  expect(
    troubles(checkIptables({ 4: legacy, 6: { ...legacy, program: { ...legacy.program, otherRules: 0 } } })),
  ).toMatchObject([
    { state: "warning", message: containing(/^1 rule of iptables-nft in force beside those of legacy/) },
  ]);
});

test("families of two variants are a warning", () => {
  const legacy = { hasFamily: true, program: { ...nft, variant: "legacy" } as const };
  expect(troubles(checkIptables({ 4: good, 6: legacy }))).toMatchObject([
    { state: "warning", message: containing("iptables is nf_tables and ip6tables is legacy") },
  ]);
});

test("whether the other variant has rules is unknown where it cannot be read, or nothing is installed", () => {
  const unread = { hasFamily: true, program: { ...nft, otherRules: { unread: "needs root" } } };
  expect(troubles(checkIptables({ 4: unread, 6: good }))).toMatchObject([
    { state: "unknown", message: containing("needs root") },
  ]);
  const none = { hasFamily: true, program: undefined };
  expect(states(checkIptables({ 4: none, 6: none })).at(-1)).toBe("unknown iptables variants");
});
