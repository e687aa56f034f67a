import { expect, test } from "vitest";
import { checkBridgeFilter, type BridgeFilterFacts } from "../../../lib/doctor/bridge-filter.ts";
import { containing } from "../../support/containing.ts";
import { states } from "./checks.ts";

const used: BridgeFilterFacts = {
  users: ["egress.conflist"],
  hasFamily: { 4: true, 6: true },
  isOn: { 4: true, 6: true },
};

test("both settings on are good", () => {
  expect(states(checkBridgeFilter(used))).toEqual(["ok bridge-nf-call-iptables", "ok bridge-nf-call-ip6tables"]);
});

test("one that is on shows no frame with a VLAN tag, and says so where a bridge is used", () => {
  const messages = (facts: BridgeFilterFacts) => checkBridgeFilter(facts).map(({ message }) => message);
  expect(messages(used)).toEqual([containing("VLAN tag"), containing("VLAN tag")]);
  expect(messages({ ...used, users: [] }).join("\n")).not.toContain("VLAN");
});

test("one that is off is a problem where a bridge is used, and says how to turn it on", () => {
  const [off, on] = checkBridgeFilter({ ...used, isOn: { 4: false, 6: true } });
  expect(off).toMatchObject({
    state: "problem",
    message: containing("egress.conflist uses a bridge"),
    remedy: containing(/^sysctl -w net\.bridge\.bridge-nf-call-iptables=1/),
  });
  expect(on?.state).toBe("ok");
});

test("a module that is not loaded is to be loaded first", () => {
  const [missing] = checkBridgeFilter({ ...used, isOn: { 4: undefined, 6: undefined } });
  expect(missing).toMatchObject({ state: "problem", remedy: containing(/^modprobe br_netfilter/) });
});

test("nobody needs it without a bridge, nor a kernel without IPv6", () => {
  const isOn = { 4: undefined, 6: false };
  expect(checkBridgeFilter({ ...used, users: [], isOn }).map(({ state }) => state)).toEqual(["ok", "ok"]);
  const onlyIpv4 = { ...used, hasFamily: { 4: true, 6: false }, isOn: { 4: true, 6: undefined } };
  expect(checkBridgeFilter(onlyIpv4).map(({ state }) => state)).toEqual(["ok", "ok"]);
});
