import { check, dictionary, jsonValue, oneof, property, constantFrom, string } from "fast-check";
import { describe, expect, test } from "vitest";
import { isJsonObject } from "../../../lib/cni/json-object.ts";
import { parseTeardownConfig } from "../../../lib/cni/teardown-config.ts";

const DEFAULTS = {
  mainChain: "CNI-OUTBOUND",
  stateDir: "/run/cni-outbound",
  cacheDir: "/var/lib/cni-outbound",
  logging: { enable: false, directory: "/var/log/cni" },
};

describe("parseTeardownConfig", () => {
  test("has a default for everything", () => {
    expect(parseTeardownConfig({})).toEqual(DEFAULTS);
  });

  test("takes what is well-formed", () => {
    expect(
      parseTeardownConfig({
        chainName: "EGRESS",
        stateDir: "/run/a",
        cacheDir: "/var/b",
        logging: { enable: true, directory: "/tmp/c" },
      }),
    ).toEqual({
      mainChain: "EGRESS",
      stateDir: "/run/a",
      cacheDir: "/var/b",
      logging: { enable: true, directory: "/tmp/c" },
    });
  });

  test.each([
    [{ mainChainName: "EGRESS" }],
    [{ chainName: "FORWARD", mainChainName: "EGRESS" }],
    [{ chainName: "EGRESS", mainChainName: "OTHER" }],
  ])("finds the main chain in %j", (config) => {
    expect(parseTeardownConfig(config).mainChain).toBe("EGRESS");
  });

  test("does not mind errors elsewhere", () => {
    const config = { outboundRules: [{ action: "ALLOW" }], bogus: 1, chainName: null, stateDir: "/run/a" };

    expect(parseTeardownConfig(config)).toEqual({ ...DEFAULTS, stateDir: "/run/a" });
  });

  test.each([
    { chainName: "a b", stateDir: "run", cacheDir: 7, logging: true },
    { chainName: 1, stateDir: "/a\0b", cacheDir: "", logging: { enable: "yes", directory: "./log" } },
    { mainChainName: "FORWARD", stateDir: null, cacheDir: ["/a"], logging: [] },
  ])("falls back to the defaults for %j", (config) => {
    expect(parseTeardownConfig(config)).toEqual(DEFAULTS);
  });

  test("never throws, and only names absolute directories", () => {
    const key = oneof(constantFrom("chainName", "mainChainName", "stateDir", "cacheDir", "logging"), string());
    const report = check(
      property(dictionary(key, jsonValue()), (config) => {
        const { stateDir, cacheDir, logging } = parseTeardownConfig(config);
        return isJsonObject(config) && [stateDir, cacheDir, logging.directory].every((path) => path.startsWith("/"));
      }),
      { numRuns: 500 },
    );

    expect(report.counterexample).toBeNull();
  });
});
