import { expect, test } from "vitest";
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
  expect(checkKernelLog(true, { isNeeded: true }).state).toBe("ok");
  expect(checkKernelLog({ unread: "needs root" }, { isNeeded: true }).state).toBe("unknown");
  expect(checkKernelLog({ unread: "no such file" }, { isNeeded: true }).state).toBe("warning");
  expect(checkKernelLog({ unread: "no such file" }, { isNeeded: false }).state).toBe("ok");
});
