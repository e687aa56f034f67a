import { check, jsonValue, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { CniError } from "../../../lib/cni/errors.ts";
import { readPrevResult, resultText, tryPrevResult } from "../../../lib/cni/prev-result.ts";
import { SUPPORTED_VERSIONS } from "../../../lib/cni/version.ts";

const NETNS = "/var/run/netns/8623ac7a-28ba-20c3-24a6-e615a39bbbf3";
const ETH0 = { ifname: "eth0" };

/** What the bridge plugin gives: the bridge, the host's end of the pair, the container's end. */
const INTERFACES = [
  { name: "docker0", mac: "aa:aa:aa:aa:aa:aa" },
  { name: "veth1a2b3c4d", mac: "bb:bb:bb:bb:bb:bb" },
  { name: "eth0", mac: "cc:cc:cc:cc:cc:cc", sandbox: NETNS },
];

const LEGACY = {
  ip4: { ip: "10.1.0.5/16", gateway: "10.1.0.1", routes: [{ dst: "0.0.0.0/0" }] },
  ip6: { ip: "fd00:0:0::5/64" },
  dns: {},
};

const CURRENT = {
  interfaces: INTERFACES,
  ips: [
    { version: "4", address: "10.1.0.5/16", gateway: "10.1.0.1", interface: 2 },
    { version: "6", address: "fd00:0:0::5/64", interface: 2 },
  ],
  routes: [{ dst: "0.0.0.0/0" }],
  dns: {},
};

const isLegacy = (version: string): boolean => version === "0.1.0" || version === "0.2.0";

describe("readPrevResult", () => {
  test.each(SUPPORTED_VERSIONS.map((version) => [version, isLegacy(version) ? LEGACY : CURRENT] as const))(
    "reads both families in the form of %s",
    (cniVersion, prevResult) => {
      expect(readPrevResult({ cniVersion, prevResult }, ETH0)).toEqual({
        addresses: ["10.1.0.5", "fd00::5"],
        hostInterfaces: isLegacy(cniVersion) ? [] : ["docker0", "veth1a2b3c4d"],
      });
    },
  );

  test.each([{}, { cniVersion: "" }])("takes a configuration without a version for the oldest form: %j", (config) => {
    expect(readPrevResult({ ...config, prevResult: LEGACY }, ETH0).addresses).toEqual(["10.1.0.5", "fd00::5"]);
  });

  test("takes IPv6 alone", () => {
    expect(read({ ips: [{ address: "2001:DB8::A/64" }] }).addresses).toEqual(["2001:db8::a"]);
  });

  test("takes every address, in order, each once", () => {
    const ips = ["10.1.0.7/16", "fd00::7/64", "10.1.0.5/16", "10.1.0.7/24", "FD00:0::7"].map((address) => ({
      address,
    }));

    expect(read({ ips }).addresses).toEqual(["10.1.0.7", "fd00::7", "10.1.0.5"]);
  });

  test("counts an address without an interface, and one whose interface is null", () => {
    const ips = [{ address: "10.1.0.5/16" }, { address: "10.1.0.6/16", interface: null }];

    expect(read({ interfaces: INTERFACES, ips }).addresses).toEqual(["10.1.0.5", "10.1.0.6"]);
  });

  test("does not count the host's own addresses", () => {
    const interfaces = [{ name: "docker0", sandbox: "" }, ...INTERFACES.slice(1)];
    const ips = [
      { address: "10.1.0.1/16", interface: 0 },
      { address: "10.1.0.5/16", interface: 2 },
    ];

    expect(read({ interfaces, ips })).toEqual({
      addresses: ["10.1.0.5"],
      hostInterfaces: ["docker0", "veth1a2b3c4d"],
    });
  });

  test("does not count loopback, which the loopback plugin reports inside the container", () => {
    const interfaces = [{ name: "lo", sandbox: NETNS }];
    const ips = ["127.0.0.1/8", "::1/128", "10.1.0.5/16"].map((address) => ({ address, interface: 0 }));

    expect(read({ interfaces, ips }).addresses).toEqual(["10.1.0.5"]);
  });

  test("lets fields that are not its own be anything", () => {
    const ips = [{ version: 4, address: "10.1.0.5/16", gateway: 7 }];

    expect(read({ ips, interfaces: null, dns: "x", routes: 5, "cni.dev/x": {} }).addresses).toEqual(["10.1.0.5"]);
  });

  test.each([{}, { prevResult: null }])("asks to be chained where there is none: %j", (config) => {
    expect(failure(() => readPrevResult({ cniVersion: "1.0.0", ...config }, ETH0))).toMatchObject({
      code: 7,
      message: "outbound must be chained after a plugin that gives the container its address: prevResult is missing",
    });
  });

  test.each([
    ["nothing", {}],
    ["no ips", { ips: [] }],
    ["null", { ips: null }],
    ["only the host's address", { interfaces: INTERFACES, ips: [{ address: "10.1.0.1/16", interface: 0 }] }],
    ["only loopback", { ips: [{ address: "127.0.0.1/8" }, { address: "::1/128" }] }],
    ["only unspecified addresses", { ips: [{ address: "0.0.0.0/0" }, { address: "::/0" }] }],
    ["the form of another version", LEGACY],
  ])("gives code 7 where the container has no address: %s", (_, prevResult) => {
    const error = failure(() => read(prevResult));

    expect(error.code).toBe(7);
    expect(error.message).toContain("prevResult has none for eth0");
  });

  test.each([
    ["1.0.0", "x", "prevResult is"],
    ["1.0.0", [], "prevResult is"],
    ["1.0.0", { ips: {} }, "prevResult.ips is"],
    ["1.0.0", { ips: ["10.1.0.5"] }, "prevResult.ips[0] is"],
    ["1.0.0", { ips: [{ address: "10.1.0.5/16" }, {}] }, "prevResult.ips[1].address is"],
    ["1.0.0", { ips: [{ address: 5 }] }, "prevResult.ips[0].address is"],
    ["1.0.0", { ips: [{ address: "host.example" }] }, "prevResult.ips[0].address: Cannot parse address"],
    ["1.0.0", { ips: [{ address: "10.1.0.05/16" }] }, "prevResult.ips[0].address: Cannot parse address"],
    ["1.0.0", { ips: [{ address: "10.1.0.5/33" }] }, "prevResult.ips[0].address is"],
    ["1.0.0", { ips: [{ address: "10.1.0.5/" }] }, "prevResult.ips[0].address is"],
    ["1.0.0", { ips: [{ address: "10.1.0.5/16/16" }] }, "prevResult.ips[0].address is"],
    ["1.0.0", { ips: [{ address: "fd00::5/129" }] }, "prevResult.ips[0].address is"],
    ["1.0.0", { interfaces: INTERFACES, ips: [{ address: "10.1.0.5/16", interface: 3 }] }, "ips[0].interface is 3"],
    ["1.0.0", { interfaces: INTERFACES, ips: [{ address: "10.1.0.5/16", interface: -1 }] }, "ips[0].interface is -1"],
    ["1.0.0", { interfaces: INTERFACES, ips: [{ address: "10.1.0.5/16", interface: "2" }] }, "ips[0].interface is"],
    ["1.0.0", { interfaces: INTERFACES, ips: [{ address: "10.1.0.5/16", interface: 1.5 }] }, "ips[0].interface is"],
    ["1.0.0", { interfaces: [null] }, "prevResult.interfaces[0] is"],
    ["1.0.0", { interfaces: [{}] }, "prevResult.interfaces[0].name is"],
    ["1.0.0", { interfaces: [{ name: "a\nb" }] }, "prevResult.interfaces[0].name is"],
    ["1.0.0", { interfaces: [{ name: "eth0", sandbox: true }] }, "prevResult.interfaces[0].sandbox is"],
    ["0.2.0", { ip4: "10.1.0.5/16" }, "prevResult.ip4 is"],
    ["0.2.0", { ip4: {} }, "prevResult.ip4.ip is"],
    ["0.1.0", { ip4: LEGACY.ip4, ip6: { ip: "fd00::zz/64" } }, "prevResult.ip6.ip: Cannot parse address"],
  ])("gives code 6 and the place where %s has %j", (cniVersion, prevResult, place) => {
    const error = failure(() => readPrevResult({ cniVersion, prevResult }, ETH0));

    expect(error.code).toBe(6);
    expect(error.message).toContain(place);
  });
});

describe("tryPrevResult", () => {
  test("reads what readPrevResult reads", () => {
    const config = { cniVersion: "1.0.0", prevResult: CURRENT };

    expect(tryPrevResult(config, ETH0)).toEqual(readPrevResult(config, ETH0));
  });

  test("finds nothing, rather than fail, in anything else", () => {
    const report = check(
      property(jsonValue(), (prevResult) => {
        const { addresses, hostInterfaces } = tryPrevResult({ cniVersion: "1.0.0", prevResult }, ETH0);
        return addresses.length === 0 && hostInterfaces.length === 0;
      }),
    );

    expect(report.counterexample).toBeNull();
  });
});

describe("resultText", () => {
  test.each(SUPPORTED_VERSIONS)("passes every field on under the version of the request, %s", (cniVersion) => {
    const prevResult = {
      ...CURRENT,
      cniVersion: "0.0.9",
      "vendor/key": [{ deep: null }],
      dns: { nameservers: ["1.1.1.1"] },
    };

    expect(JSON.parse(resultText({ cniVersion, prevResult }, cniVersion))).toEqual({ ...prevResult, cniVersion });
  });

  test("adds the version where the result has none", () => {
    expect(JSON.parse(resultText({ prevResult: { ips: [] } }, "1.0.0"))).toEqual({ ips: [], cniVersion: "1.0.0" });
  });

  test("keeps any result as it is", () => {
    const report = check(
      property(jsonValue(), (value) => {
        const prevResult: unknown = JSON.parse(JSON.stringify({ cniVersion: "1.0.0", value }));
        return resultText({ prevResult }, "1.0.0") === JSON.stringify(prevResult, null, 4);
      }),
    );

    expect(report.counterexample).toBeNull();
  });

  test("gives code 7 where there is none", () => {
    expect(failure(() => resultText({}, "1.0.0")).code).toBe(7);
  });
});

function read(prevResult: object): ReturnType<typeof readPrevResult> {
  return readPrevResult({ cniVersion: "1.0.0", prevResult }, ETH0);
}

function failure(act: () => unknown): CniError {
  try {
    act();
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error("Expected a CniError, got none");
}
