import {
  check,
  constant,
  constantFrom,
  json,
  jsonValue,
  oneof,
  property,
  record,
  string,
  uint8Array,
} from "fast-check";
import type { Arbitrary } from "fast-check";
import { describe, expect, test } from "vitest";

import { CNI_ERROR, CniError } from "../../../lib/cni/errors.ts";
import { parseRequest } from "../../../lib/cni/request.ts";
import type { Request } from "../../../lib/cni/request.ts";
import { SUPPORTED_VERSIONS } from "../../../lib/cni/version.ts";

const ALLOC = "8623ac7a-28ba-20c3-24a6-e615a39bbbf3";

const ENV = {
  CNI_CONTAINERID: ALLOC,
  CNI_NETNS: `/var/run/netns/${ALLOC}`,
  CNI_IFNAME: "eth0",
  CNI_ARGS: "IgnoreUnknown=true",
  CNI_PATH: "/opt/cni/bin",
};

const CONFIG = { cniVersion: "1.0.0", name: "my-network", type: "outbound" };

describe("without a command", () => {
  test.each([{}, { CNI_COMMAND: "" }, { ...ENV, CNI_COMMAND: "" }])("asks for the about text: %j", (env) => {
    expect(parseRequest({ env, readStdin: neverRead })).toEqual({ kind: "about" });
  });
});

describe("VERSION", () => {
  test("needs no other variable and does not read stdin", () => {
    const request = parseRequest({ env: { CNI_COMMAND: "VERSION" }, readStdin: neverRead });

    expect(request).toEqual({ kind: "version", cniVersion: "1.1.0" });
  });
});

describe("a request about a container", () => {
  test.each(["ADD", "CHECK", "DEL"])("gives %s all that the runtime said", (command) => {
    expect(parse({ command })).toEqual({
      kind: command,
      containerId: ALLOC,
      netns: `/var/run/netns/${ALLOC}`,
      ifname: "eth0",
      args: "IgnoreUnknown=true",
      path: "/opt/cni/bin",
      netnsOverride: false,
      config: CONFIG,
      name: "my-network",
      cniVersion: "1.0.0",
    });
  });

  test("lets DEL come without netns and arguments", () => {
    expect(parse({ command: "DEL", env: { CNI_NETNS: "", CNI_ARGS: undefined } })).toMatchObject({
      kind: "DEL",
      netns: "",
      args: "",
    });
  });

  test.each([
    ["1", true],
    ["true", true],
    ["TRUE", true],
    ["0", false],
    ["yes", false],
    ["", false],
  ])("takes CNI_NETNS_OVERRIDE %j for %j", (value, netnsOverride) => {
    expect(parse({ command: "ADD", env: { CNI_NETNS_OVERRIDE: value } })).toMatchObject({ netnsOverride });
  });
});

describe("a request about the network", () => {
  test.each(["GC", "STATUS"])("gives %s no container, whatever the environment says", (command) => {
    const config = { ...CONFIG, cniVersion: "1.1.0" };

    expect(parse({ command, config, env: { CNI_CONTAINERID: "not valid!", CNI_IFNAME: "a/b" } })).toEqual({
      kind: command,
      path: "/opt/cni/bin",
      config,
      name: "my-network",
      cniVersion: "1.1.0",
    });
  });
});

describe("the environment", () => {
  test.each([
    ["ADD", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH"],
    ["CHECK", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH"],
    ["DEL", "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH"],
    ["GC", "CNI_PATH"],
    ["STATUS", "CNI_PATH"],
  ])("names every variable that %s misses, before stdin is read", (command, names) => {
    const error = failure({ env: { CNI_COMMAND: command, CNI_NETNS: "" }, readStdin: neverRead });

    expect(error).toMatchObject({ code: 4, message: `required env variables [${names}] missing` });
  });

  test("tells an invalid variable before a missing one", () => {
    const env = { CNI_COMMAND: "ADD", CNI_CONTAINERID: "a b" };

    expect(failure({ env, readStdin: neverRead })).toMatchObject({
      code: 4,
      message: "invalid characters in containerID",
      details: "a b",
    });
  });

  test.each(["-a", ".a", "a/b", "a\n", "ä", "a;b"])("refuses the container id %j", (id) => {
    expect(parseFailure({ command: "ADD", env: { CNI_CONTAINERID: id } })).toMatchObject({ code: 4, details: id });
  });

  test.each([
    ["sixteen-letters-", "interface name is too long"],
    ["ääääääää", "interface name is too long"],
    [".", "interface name is . or .."],
    ["..", "interface name is . or .."],
    ["a/b", "interface name contains / or : or whitespace characters"],
    ["a:b", "interface name contains / or : or whitespace characters"],
    ["a b", "interface name contains / or : or whitespace characters"],
    ["a\u0085b", "interface name contains / or : or whitespace characters"],
    ["a\u3000b", "interface name contains / or : or whitespace characters"],
  ])("refuses the interface name %j: %s", (ifname, message) => {
    expect(parseFailure({ command: "DEL", env: { CNI_IFNAME: ifname } })).toMatchObject({ code: 4, message });
  });

  test.each(["fifteen-letters", "eth0", "a.b", "..."])("takes the interface name %j", (ifname) => {
    expect(parse({ command: "ADD", env: { CNI_IFNAME: ifname } })).toMatchObject({ ifname });
  });

  test.each(["add", "NOPE", "toString", "__proto__"])("does not know the command %j", (command) => {
    expect(parseFailure({ command })).toMatchObject({ code: 4, message: `unknown CNI_COMMAND: ${command}` });
  });

  test("tells a bad configuration before an unknown command", () => {
    expect(parseFailure({ command: "NOPE", stdin: "{" })).toMatchObject({ code: 6 });
  });
});

describe("stdin", () => {
  test("gives code 5 where it cannot be read", () => {
    const cause = new Error("EIO");
    const readStdin = (): string => {
      throw cause;
    };

    expect(failure({ env: { ...ENV, CNI_COMMAND: "ADD" }, readStdin })).toMatchObject({
      code: 5,
      message: "error reading from stdin: EIO",
      cause,
    });
  });

  test.each(["", "{", "[]", "[{}]", "1", '"x"', '{"name":1}', '{"name":{}}', '\ufeff{"name":"a"}'])(
    "gives code 6 where it holds no configuration object: %j",
    (stdin) => {
      const error = parseFailure({ command: "ADD", stdin });

      expect(error.code).toBe(6);
      expect(error.message).toMatch(/^error unmarshall network config: ./);
    },
  );

  test.each(["null", "{}", '{"name":""}', '{"name":null}'])("gives code 7 where the name is missing: %j", (stdin) => {
    expect(parseFailure({ command: "ADD", stdin })).toMatchObject({ code: 7, message: "missing network name" });
  });

  test.each(["a b", "-a", "a/b", "a\n"])("gives code 7 where the name is %j", (name) => {
    expect(parseFailure({ command: "ADD", config: { ...CONFIG, name } })).toMatchObject({
      code: 7,
      message: "invalid characters found in network name",
      details: name,
    });
  });
});

describe("the version", () => {
  const SINCE = { ADD: "0.1.0", DEL: "0.1.0", CHECK: "0.4.0", GC: "1.1.0", STATUS: "1.1.0" };

  const combinations = Object.entries(SINCE).flatMap(([command, since]) => {
    const first = SUPPORTED_VERSIONS.findIndex((version) => version === since);
    return SUPPORTED_VERSIONS.map((version, index) => [command, version, index >= first] as const);
  });

  test.each(combinations.filter(([, , allowed]) => allowed))("lets %s come with %s", (command, cniVersion) => {
    expect(parse({ command, config: { ...CONFIG, cniVersion } })).toMatchObject({ kind: command, cniVersion });
  });

  test.each(combinations.filter(([, , allowed]) => !allowed))("lets no %s come with %s", (command, cniVersion) => {
    expect(parseFailure({ command, config: { ...CONFIG, cniVersion } })).toMatchObject({
      code: 1,
      message: `config version does not allow ${command}`,
    });
  });

  test.each([{ name: "a" }, { name: "a", cniVersion: "" }, { name: "a", cniVersion: null }])(
    "is 0.1.0 where the configuration has none: %j",
    (config) => {
      expect(parse({ command: "ADD", config })).toMatchObject({ cniVersion: "0.1.0" });
    },
  );

  test.each(["0.3.2", "1.0", "v1.0.0", "2.0.0", "latest"])("must be one of ours, not %s", (cniVersion) => {
    expect(parseFailure({ command: "DEL", config: { ...CONFIG, cniVersion } })).toMatchObject({
      code: 1,
      message: "incompatible CNI versions",
      details: `config is "${cniVersion}", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]`,
    });
  });

  test.each([
    ["CHECK", "2.0.0", 1, "plugin version does not allow CHECK"],
    ["STATUS", "1.1.1", 1, "plugin version does not allow STATUS"],
    ["CHECK", "0.4.1", 1, "incompatible CNI versions"],
    ["GC", "latest", 6, "Cannot parse version"],
    ["CHECK", "1.0.0.0", 6, "Cannot parse version"],
  ])("of %s %s gives code %i: %s", (command, cniVersion, code, message) => {
    const error = parseFailure({ command, config: { ...CONFIG, cniVersion } });

    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
  });

  test("gives code 6 where it is no string", () => {
    expect(parseFailure({ command: "ADD", config: { name: "a", cniVersion: 1 } })).toMatchObject({ code: 6 });
  });

  test("is told after the name", () => {
    expect(parseFailure({ command: "ADD", config: { cniVersion: "9.9.9" } })).toMatchObject({ code: 7 });
  });
});

describe("whatever comes", () => {
  const command = oneof(constantFrom("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", ""), string());
  const environment = record({
    CNI_COMMAND: command,
    CNI_CONTAINERID: mostly(ALLOC),
    CNI_NETNS: mostly("/var/run/netns/a"),
    CNI_IFNAME: mostly("eth0"),
    CNI_ARGS: mostly(""),
    CNI_PATH: mostly("/opt/cni/bin"),
    CNI_NETNS_OVERRIDE: mostly(""),
  });
  const config = record({
    name: oneof(constant("net"), jsonValue()),
    cniVersion: oneof(constantFrom(...SUPPORTED_VERSIONS), jsonValue()),
  });
  const stdin = oneof(
    uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString("utf8")),
    json(),
    config.map((value) => JSON.stringify(value)),
  );

  test("comes out as a well-formed request or as an error of CNI's", () => {
    const seen = new Set<string>();
    const report = check(
      property(environment, stdin, (env, text) => {
        const outcome = attempt({ env, readStdin: () => text });
        seen.add(outcome instanceof CniError ? `code ${outcome.code}` : outcome.kind);
        return outcome instanceof CniError ? CODES.has(outcome.code) : isWellFormed(outcome);
      }),
      { numRuns: 3000, seed: 1 },
    );

    expect(report.counterexample).toBeNull();
    expect([...seen]).toEqual(expect.arrayContaining(["ADD", "DEL", "CHECK", "GC", "about", "version", "code 6"]));
  });
});

const CODES: ReadonlySet<number> = new Set(Object.values(CNI_ERROR));

function mostly(likely: string): Arbitrary<string | undefined> {
  return oneof(
    { arbitrary: constant(likely), weight: 8 },
    { arbitrary: string({ unit: "binary" }), weight: 1 },
    { arbitrary: constant(undefined), weight: 1 },
  );
}

function isWellFormed(request: Request): boolean {
  switch (request.kind) {
    case "about":
    case "version":
      return true;
    case "GC":
    case "STATUS":
      return hasNetwork(request);
    default:
      return (
        hasNetwork(request) &&
        isName(request.containerId) &&
        /^[^/:\s]{1,15}$/.test(request.ifname) &&
        (request.kind === "DEL" || request.netns !== "")
      );
  }
}

function hasNetwork(request: { name: string; path: string; cniVersion: string }): boolean {
  return (
    isName(request.name) && request.path !== "" && SUPPORTED_VERSIONS.some((version) => version === request.cniVersion)
  );
}

function isName(text: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text);
}

interface Attempt {
  command: string;
  env?: Record<string, string | undefined>;
  config?: object;
  stdin?: string;
}

function parse(input: Attempt): Request {
  return parseRequest(toInput(input));
}

function parseFailure(input: Attempt): CniError {
  return failure(toInput(input));
}

function toInput({ command, env = {}, config = CONFIG, stdin = JSON.stringify(config) }: Attempt): Input {
  return { env: { ...ENV, CNI_COMMAND: command, ...env }, readStdin: () => stdin };
}

type Input = Parameters<typeof parseRequest>[0];

function failure(input: Input): CniError {
  const outcome = attempt(input);
  if (outcome instanceof CniError) return outcome;
  throw new Error(`Expected a CniError, got ${JSON.stringify(outcome)}`);
}

function attempt(input: Input): Request | CniError {
  try {
    return parseRequest(input);
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
}

function neverRead(): string {
  throw new Error("stdin was read");
}
