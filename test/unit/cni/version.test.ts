import { describe, expect, test } from "vitest";

import { aboutText, isAtLeast, SUPPORTED_VERSIONS, versionReport } from "../../../lib/cni/version.ts";

describe("versionReport", () => {
  test("is one line of JSON that names every version", () => {
    const text = versionReport();

    expect(text).toMatch(/^[^\n]+\n$/);
    expect(JSON.parse(text)).toEqual({
      cniVersion: "1.1.0",
      supportedVersions: ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    });
  });

  test("says the version it is asked to", () => {
    expect(JSON.parse(versionReport("0.4.0"))).toMatchObject({ cniVersion: "0.4.0" });
  });
});

describe("aboutText", () => {
  test("lets Nomad's fingerprint find the plugin's version before any protocol version", () => {
    const words = aboutText("1.2.3").split(/\s+/);
    const semantic = words.find((word) => /^v?\d+\.\d+\.\d+$/.test(word));

    expect(semantic).toBe("v1.2.3");
  });

  test("is the two lines that the reference library prints", () => {
    expect(aboutText("1.2.3")).toBe(
      "CNI outbound plugin v1.2.3\n" +
        "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n",
    );
  });
});

describe("isAtLeast", () => {
  test("orders the supported versions as they are listed", () => {
    for (const [index, version] of SUPPORTED_VERSIONS.entries()) {
      for (const [other, floor] of SUPPORTED_VERSIONS.entries()) {
        expect(isAtLeast(version, floor), `${version} >= ${floor}`).toBe(index >= other);
      }
    }
  });

  test.each([
    ["1", "1.0.0", true],
    ["0.10.0", "0.9.9", true],
    ["1.0", "1.0.1", false],
  ])("compares %s with %s by number, absent parts being 0", (version, floor, expected) => {
    expect(isAtLeast(version, floor)).toBe(expected);
  });

  test.each(["1.0.0.0", "one", "1.x.0", "1..0", " 1.0.0", "1.0.0-rc1"])("refuses %j", (version) => {
    expect(() => isAtLeast(version, "0.4.0")).toThrow(/Cannot parse version/);
  });
});
