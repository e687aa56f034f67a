import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { formatAttachment, parseAttachment, shareRules } from "../../../lib/policy/attachment-record.ts";
import type { Rule } from "../../../lib/policy/rule.ts";
import { attachmentOf } from "../../support/attachment.ts";
import { actions, names, rules } from "./arbitraries.ts";
import { rule } from "./fixtures.ts";

const attachment = attachmentOf({ policy: { staticRules: [rule({ host: "10.0.0.0/8", action: "ACCEPT" })] } });

/** The record's JSON with a part of it changed. */
function recordWith(change: Readonly<Record<string, unknown>>): string {
  const record: unknown = JSON.parse(formatAttachment(attachment));
  return JSON.stringify(Object.assign({}, record, change));
}

describe("formatAttachment", () => {
  test("writes what parses to the same attachment, whatever it holds", () => {
    const someRules = fc.array(rules(), { maxLength: 3 });
    const arbitrary = fc.record({
      network: names(),
      containerId: names(),
      identity: fc.constantFrom({}, { namespace: "default" }, { region: "é", namespace: "a", job: "a/b", group: " " }),
      policy: fc.record({
        defaultAction: actions(),
        staticRules: someRules,
        initialRules: someRules,
        hostTraffic: fc.constantFrom("filter" as const, "allow" as const),
        logDenied: fc.boolean(),
      }),
      jobRules: someRules,
      sequence: fc.nat(),
    });
    fc.assert(
      fc.property(arbitrary, (parts) => {
        const one = attachmentOf(parts);
        expect(parseAttachment(formatAttachment(one))).toEqual(one);
      }),
    );
  });

  test("leaves out what is not known, and reads it so", () => {
    const { hostInterface: _, ...rest } = attachment;
    const text = formatAttachment({ ...rest, identity: {} });
    expect(text).not.toContain("hostInterface");
    expect(parseAttachment(text)).toEqual({ ...rest, identity: {} });
  });

  test("writes text for people: a version first, rules as they are written in a conflist", () => {
    const text = formatAttachment(attachment);
    expect(text).toMatch(/^\{\n {2}"version": 1,\n {2}"network": "egress",\n/);
    expect(text).toContain('"host": "10.0.0.0/8",\n        "action": "ACCEPT"');
    expect(text.endsWith("}\n")).toBe(true);
  });
});

describe("parseAttachment", () => {
  test("refuses a record that was cut off anywhere", () => {
    const text = formatAttachment(attachment);
    for (let length = 0; length < text.length - 1; length += 7) {
      expect(() => parseAttachment(text.slice(0, length))).toThrow(SyntaxError);
    }
  });

  test.each([
    ["another version", { version: 2 }],
    ["no version", { version: undefined }],
    ["a field that it does not know", { extra: 1 }],
    ["a field of another type", { sequence: "1" }],
    ["a missing field", { chain: undefined }],
    ["a rule that is none", { jobRules: [{ host: "10.0.0.1" }] }],
    ["a rule with a field that it does not know", { jobRules: [{ action: "DROP", dport: 1 }] }],
    ["an unknown action", { policy: { ...attachment.policy, staticRules: [], defaultAction: "LOG" } }],
    ["an identity with other fields", { identity: { namespace: "a", node: "b" } }],
  ])("refuses %s", (_, change) => {
    expect(() => parseAttachment(recordWith(change))).toThrow(z.ZodError);
    expect(parseAttachment(recordWith({}))).toEqual(attachment);
  });

  test.each(["", "null", "[]", "\0\0\0\0"])("refuses %j", (text) => {
    expect(() => parseAttachment(text)).toThrow(/JSON|expected object/);
  });
});

describe("shareRules", () => {
  test("makes one list of lists that read alike, and leaves others apart", () => {
    const known = new Map<string, readonly Rule[]>();
    const [one, two] = [attachment, attachment].map((each) =>
      shareRules(parseAttachment(formatAttachment(each)), known),
    );
    expect(two?.policy.staticRules).toBe(one?.policy.staticRules);
    expect(two?.jobRules).toBe(two?.policy.initialRules);
    expect(two?.jobRules).not.toBe(two?.policy.staticRules);
    expect(one).toEqual(attachment);
  });
});
