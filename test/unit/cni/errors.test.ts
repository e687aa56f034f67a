import { describe, expect, test } from "vitest";

import { CNI_ERROR, CniError, formatError } from "../../../lib/cni/errors.ts";

describe("formatError", () => {
  test("prints code, message and details under the configuration's version", () => {
    const error = new CniError("no such chain", { code: CNI_ERROR.tryAgainLater, details: "CNI-OUTBOUND" });

    expect(JSON.parse(formatError(error, "1.0.0"))).toEqual({
      cniVersion: "1.0.0",
      code: 11,
      msg: "no such chain",
      details: "CNI-OUTBOUND",
    });
  });

  test("leaves out the version and the details that are not known", () => {
    const error = new CniError("no", { code: CNI_ERROR.invalidConfig });

    expect(JSON.parse(formatError(error))).toEqual({ code: 7, msg: "no" });
  });

  test("gives any other error code 999 and its message, without its stack", () => {
    const error = new TypeError("x is not a function");

    expect(JSON.parse(formatError(error, "1.1.0"))).toEqual({
      cniVersion: "1.1.0",
      code: 999,
      msg: "x is not a function",
    });
    expect(formatError(error)).not.toContain("errors.test.ts");
  });

  test.each([
    ["a string", "disk full", "disk full"],
    ["an error without a message", new RangeError(), "RangeError"],
    ["undefined", undefined, "unexpected undefined thrown"],
    ["an object without a prototype", Object.create(null), "unexpected object thrown"],
  ])("finds words for %s", (_, thrown, msg) => {
    expect(JSON.parse(formatError(thrown))).toEqual({ code: 999, msg });
  });

  test("shows a text of megabytes in part", () => {
    const text = "x".repeat(2_000_000);
    const error = new CniError(text, { code: CNI_ERROR.invalidConfig, details: text });

    expect(formatError(error).length).toBeLessThan(16_384);
  });

  test("keeps the cause for the log", () => {
    const cause = new Error("ENOSPC");

    expect(new CniError("Cannot write", { code: CNI_ERROR.ioFailure, cause }).cause).toBe(cause);
  });
});
