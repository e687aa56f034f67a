import { check, dictionary, jsonValue, oneof, property, constantFrom, string } from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { parsePluginConfig, pluginConfigSchema } from "../../../lib/cni/config.ts";
import { CniError } from "../../../lib/cni/errors.ts";

/** The plugin's object in the Go plugin's README. */
const README = {
  type: "outbound",
  chainName: "CNI-OUTBOUND",
  defaultAction: "DROP",
  outboundRules: [
    { host: "8.8.8.8", proto: "udp", port: "53", action: "ACCEPT" },
    { host: "192.168.1.0/24", proto: "tcp", port: "80", action: "ACCEPT" },
  ],
};

const DEFAULTS = {
  policy: {
    mainChain: "CNI-OUTBOUND",
    defaultAction: "DROP",
    staticRules: [],
    initialRules: [],
    hostTraffic: "filter",
    logDenied: false,
  },
  jobRules: "accept",
  backend: "iptables",
  logging: { enable: false, directory: "/var/log/cni" },
  stateDir: "/run/cni-outbound",
  cacheDir: "/var/lib/cni-outbound",
};

const OWN = [
  "chainName",
  "mainChainName",
  "defaultAction",
  "outboundRules",
  "runtimeRules",
  "hostTraffic",
  "jobRules",
  "logDenied",
  "backend",
  "logging",
  "stateDir",
  "cacheDir",
];

describe("parsePluginConfig", () => {
  test("has a default for everything", () => {
    expect(parsePluginConfig({ type: "outbound" })).toEqual(DEFAULTS);
  });

  test("takes the configuration of the Go plugin's README", () => {
    const { policy } = parsePluginConfig(README);

    expect(policy.staticRules).toEqual([
      {
        hosts: [{ family: 4, address: "8.8.8.8", prefix: 32 }],
        protocol: "udp",
        ports: [{ first: 53, last: 53 }],
        action: "ACCEPT",
      },
      {
        hosts: [{ family: 4, address: "192.168.1.0", prefix: 24 }],
        protocol: "tcp",
        ports: [{ first: 80, last: 80 }],
        action: "ACCEPT",
      },
    ]);
    expect(policy).toMatchObject({ mainChain: "CNI-OUTBOUND", defaultAction: "DROP" });
  });

  test("takes every key", () => {
    const config = parsePluginConfig({
      chainName: "EGRESS",
      mainChainName: "EGRESS",
      defaultAction: "Reject",
      outboundRules: [{ action: "accept" }],
      runtimeRules: [{ action: "drop" }],
      hostTraffic: "allow",
      jobRules: "deny-only",
      logDenied: true,
      backend: "iptables",
      logging: { enable: true, directory: "/tmp/log" },
      stateDir: "/run/a",
      cacheDir: "/var/b",
    });

    expect(config).toMatchObject({
      policy: {
        mainChain: "EGRESS",
        defaultAction: "REJECT",
        staticRules: [{ action: "ACCEPT" }],
        initialRules: [{ action: "DROP" }],
        hostTraffic: "allow",
        logDenied: true,
      },
      jobRules: "deny-only",
      logging: { enable: true, directory: "/tmp/log" },
      stateDir: "/run/a",
      cacheDir: "/var/b",
    });
  });

  test("takes mainChainName, which the Go plugin read, for chainName", () => {
    expect(parsePluginConfig({ mainChainName: "EGRESS" }).policy.mainChain).toBe("EGRESS");
  });

  test.each(["drop", "Drop", "DROP", "reject", "aCCept"])("takes the default action %s in any case", (action) => {
    expect(parsePluginConfig({ defaultAction: action }).policy.defaultAction).toBe(action.toUpperCase());
  });

  test.each([[{}], [{ enable: false }], [{ directory: "/var/log/cni" }]])("does not log with logging %j", (logging) => {
    expect(parsePluginConfig({ logging }).logging).toEqual({ enable: false, directory: "/var/log/cni" });
  });

  test("leaves CNI's own keys alone", () => {
    const config = {
      cniVersion: "1.0.0",
      name: "net",
      type: "outbound",
      prevResult: { ips: 7 },
      runtimeConfig: { portMappings: [{ HostPort: 1 }] },
      capabilities: { portMappings: true },
      args: {},
      ipam: {},
      dns: { nameservers: [] },
      ipMasq: true,
      disableCheck: true,
      "cni.dev/valid-attachments": [],
      "cni.dev/anything": null,
    };

    expect(parsePluginConfig(config)).toEqual(DEFAULTS);
  });

  test.each([
    ["outboundRule", 'outboundRule: unknown key "outboundRule", did you mean "outboundRules"?'],
    ["OutboundRules", 'did you mean "outboundRules"?'],
    ["mainChain", 'did you mean "chainName"?'],
    ["defaultaction", 'did you mean "defaultAction"?'],
    ["stateDirectory", 'did you mean "stateDir"?'],
    ["frobnicate", "expected one of chainName, mainChainName, defaultAction,"],
    ["cni.dev", 'unknown key "cni.dev"'],
    ["constructor", 'unknown key "constructor"'],
  ])("refuses the key %s", (key, message) => {
    expect(refusal({ [key]: [] })).toContain(message);
  });

  test("refuses a key of logging that it does not know", () => {
    expect(refusal({ logging: { enabled: true } })).toContain(
      'logging.enabled: unknown key "enabled", did you mean "enable"?',
    );
  });

  test("refuses two different names for the main chain", () => {
    expect(refusal({ chainName: "A", mainChainName: "B" })).toContain('mainChainName: found "B" beside chainName "A"');
  });

  test.each(OWN)("refuses null for %s", (key) => {
    expect(refusal({ [key]: null })).toContain(`${key}: found null, expected `);
  });

  test.each([
    [{ chainName: "" }, "chainName: "],
    [{ chainName: "FORWARD" }, "chainName: "],
    [{ mainChainName: "CNI-OUT-1" }, "mainChainName: "],
    [{ chainName: 5 }, "chainName: found 5, expected a chain's name"],
    [{ defaultAction: "ALLOW" }, 'defaultAction: found "ALLOW", expected '],
    [{ defaultAction: true }, "defaultAction: found true, expected "],
    [{ outboundRules: {} }, "outboundRules: found an object, expected a list of rules"],
    [{ runtimeRules: "x" }, 'runtimeRules: found "x", expected a list of rules'],
    [{ hostTraffic: "ALLOW" }, 'hostTraffic: found "ALLOW", expected filter or allow'],
    [{ jobRules: "yes" }, 'jobRules: found "yes", expected accept, deny-only or ignore'],
    [{ logDenied: "true" }, 'logDenied: found "true", expected true or false'],
    [{ backend: "nft" }, 'backend: found "nft", expected iptables or nftables'],
    [{ logging: true }, "logging: found true, expected "],
    [{ logging: { enable: 1 } }, "logging.enable: found 1, expected true or false"],
    [{ logging: { directory: "log" } }, 'logging.directory: found "log", expected an absolute path'],
    [{ stateDir: "run" }, 'stateDir: found "run", expected an absolute path'],
    [{ stateDir: "" }, 'stateDir: found "", expected an absolute path'],
    [{ cacheDir: "/a\0b" }, "cacheDir: found "],
    [{ cacheDir: 1 }, "cacheDir: found 1, expected an absolute path"],
  ])("refuses %j", (config, message) => {
    expect(refusal(config)).toContain(message);
  });

  test("says in which rule it found what", () => {
    const good = { action: "DROP" };
    const message = refusal({
      outboundRules: [good, good, { action: "DROP", proto: "tcp", port: 70_000 }],
      runtimeRules: [{ action: "DROP", host: "example.com" }],
    });

    expect(message).toContain("outboundRules[2].port: Cannot parse port: 70000 is out of range, expected 0-65535");
    expect(message).toContain("runtimeRules[0].host: ");
  });

  test("tells every issue, on one line", () => {
    const message = refusal({ defaultAction: "x", stateDir: "y", bogus: 1 });

    expect(message).toMatch(/^Cannot parse plugin configuration: \S.*; \S.*; \S.*$/);
    for (const part of ["defaultAction: ", "stateDir: ", "bogus: "]) expect(message).toContain(part);
  });

  test("refuses more rules than a node should bear, static and runtime rules together", () => {
    expect(() => parsePluginConfig({ outboundRules: drops(15_000), runtimeRules: drops(5000) })).not.toThrow();
    expect(refusal({ outboundRules: drops(15_000), runtimeRules: drops(5001) })).toContain("20001 netfilter rules");
  });

  test("says plainly that the nftables backend is not built yet", () => {
    expect(failure({ backend: "nftables" })).toMatchObject({
      code: 2,
      message: "Cannot use backend: nftables is not built yet, expected iptables",
    });
  });

  test("never fails with anything but an error of CNI's", () => {
    const key = oneof(constantFrom(...OWN, "name", "cni.dev/x"), string());
    const report = check(
      property(dictionary(key, jsonValue()), (config) => {
        const error = attempt(config);
        return error === undefined || (error instanceof CniError && (error.code === 7 || error.code === 2));
      }),
      { numRuns: 500 },
    );

    expect(report.counterexample).toBeNull();
  });
});

describe("pluginConfigSchema", () => {
  test("has a JSON Schema of what people write", () => {
    const schema = z.toJSONSchema(pluginConfigSchema, { io: "input" });
    const [foreign = ""] = Object.keys(z.record(z.string(), z.unknown()).parse(schema["patternProperties"]));

    expect(schema).toMatchObject({
      type: "object",
      additionalProperties: false,
      properties: {
        chainName: { type: "string", maxLength: 28, pattern: "^[A-Za-z0-9_.][A-Za-z0-9_.-]*$" },
        outboundRules: { type: "array", default: [] },
        stateDir: { type: "string", default: "/run/cni-outbound" },
      },
    });
    expect(Object.keys(schema.properties ?? {})).toEqual(OWN);
    expect(
      ["prevResult", "cni.dev/attachments", "nam", "xname"].filter((key) => new RegExp(foreign, "u").test(key)),
    ).toEqual(["prevResult", "cni.dev/attachments"]);
    expect(schema.required ?? []).toEqual([]);
  });
});

function drops(length: number): readonly unknown[] {
  return Array.from({ length }, () => ({ action: "DROP" }));
}

function refusal(config: Record<string, unknown>): string {
  const { code, message } = failure(config);
  expect(code).toBe(7);
  return message;
}

function failure(config: Record<string, unknown>): CniError {
  const error = attempt(config);
  if (error instanceof CniError) return error;
  throw new Error("Expected a CniError", { cause: error });
}

function attempt(config: Record<string, unknown>): unknown {
  try {
    parsePluginConfig(config);
    return undefined;
  } catch (error) {
    return error;
  }
}
