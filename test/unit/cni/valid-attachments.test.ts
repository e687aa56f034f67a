import { describe, expect, test } from "vitest";
import { CniError } from "../../../lib/cni/errors.ts";
import { readValidAttachments } from "../../../lib/cni/valid-attachments.ts";

const KEY = "cni.dev/valid-attachments";

describe("readValidAttachments", () => {
  test("reads the attachments to keep", () => {
    const config = {
      [KEY]: [
        { containerID: "a", ifname: "eth0" },
        { containerID: "b", ifname: "eth1", extra: true },
      ],
    };

    expect(readValidAttachments(config)).toEqual([
      { containerId: "a", ifname: "eth0" },
      { containerId: "b", ifname: "eth1" },
    ]);
  });

  test("takes an empty list for an answer", () => {
    expect(readValidAttachments({ [KEY]: [] })).toEqual([]);
  });

  const keep = { containerID: "a", ifname: "eth0" };

  test.each([
    ["no list", {}],
    ["only the older key", { "cni.dev/attachments": [keep] }],
    ["null", { [KEY]: null }],
    ["an object", { [KEY]: keep }],
    ["a string", { [KEY]: "a" }],
    ["a null entry", { [KEY]: [keep, null] }],
    ["an entry that is a string", { [KEY]: [keep, "b"] }],
    ["an entry without an id", { [KEY]: [keep, { ifname: "eth0" }] }],
    ["an entry with another spelling", { [KEY]: [keep, { containerId: "b", ifname: "eth0" }] }],
    ["an id that is none", { [KEY]: [keep, { containerID: "", ifname: "eth0" }] }],
    ["an entry without an interface", { [KEY]: [keep, { containerID: "b" }] }],
    ["an empty interface", { [KEY]: [keep, { containerID: "b", ifname: "" }] }],
  ])("never takes %s for an empty or shorter list", (_, config) => {
    expect(failure(() => readValidAttachments(config)).code).toBe(7);
  });

  test("says which entry is wrong", () => {
    const { message } = failure(() => readValidAttachments({ [KEY]: [keep, { containerID: 5, ifname: "eth0" }] }));

    expect(message).toBe(`Cannot collect garbage: ${KEY}[1].containerID is 5, expected a container id`);
  });
});

function failure(act: () => unknown): CniError {
  try {
    act();
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error("Expected a CniError, got none");
}
