import { expect, test } from "vitest";
import type { Fact } from "../../../lib/doctor/check.ts";
import { checkConntrack, checkKernelLog } from "../../../lib/doctor/kernel-tables.ts";
import { containing } from "../../support/containing.ts";

test("connection tracking warns above nine tenths", () => {
  expect(checkConntrack({ count: 90, max: 100 }).state).toBe("ok");
  expect(checkConntrack({ count: 91, max: 100 })).toMatchObject({
    state: "warning",
    message: containing("91 % full, 91 of 100"),
    remedy: containing("nf_conntrack_max=200"),
  });
});

test("connection tracking that is not loaded, or not limited, is good", () => {
  expect(checkConntrack(undefined).state).toBe("ok");
  expect(checkConntrack({ count: 5, max: 0 }).state).toBe("ok");
  expect(checkConntrack({ unread: "needs root" }).state).toBe("unknown");
});

test("a kernel's log that cannot be read matters where something is logged", () => {
  const stateOf = (readable: Fact<true>, isNeeded: boolean) =>
    checkKernelLog({ readable, isLoggedTo: true, isNeeded }).state;
  expect(stateOf(true, true)).toBe("ok");
  expect(stateOf({ unread: "needs root" }, true)).toBe("unknown");
  expect(stateOf({ unread: "no such file" }, true)).toBe("warning");
  expect(stateOf({ unread: "no such file" }, false)).toBe("ok");
});

test("a kernel's log that can be read, and tells nothing of this network namespace, matters where something is logged", () => {
  const facts = { readable: true, isLoggedTo: false, isNeeded: true } as const;
  expect(checkKernelLog(facts)).toMatchObject({
    state: "warning",
    message: containing("the kernel's log can be read, but nothing of this network namespace is logged"),
    remedy: containing("sysctl -w net.netfilter.nf_log_all_netns=1"),
  });
  expect(checkKernelLog({ ...facts, isNeeded: false })).toMatchObject({
    state: "ok",
    message: "the kernel's log can be read; nothing logs to it now",
  });
  expect(checkKernelLog({ ...facts, isLoggedTo: { unread: "needs root" } })).toMatchObject({
    state: "unknown",
    message: containing("needs root"),
    remedy: containing("nf_log_all_netns"),
  });
});
