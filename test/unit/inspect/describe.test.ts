import { describe, expect, test } from "vitest";
import { describeIdentity, describeRule, describeSource } from "../../../lib/inspect/describe.ts";
import { rule } from "../policy/fixtures.ts";

describe("describeRule", () => {
  test.each([
    [{ action: "ACCEPT" }, "ACCEPT all to any address"],
    [{ action: "drop", proto: "tcp", host: "10.1.2.0/24", port: "443,80" }, "DROP tcp to 10.1.2.0/24 port 80,443"],
    [{ action: "REJECT", host: ["10.0.0.1", "2001:db8::1"] }, "REJECT all to 10.0.0.1, 2001:db8::1"],
    [
      { action: "DROP", host: ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"] },
      "DROP all to 10.0.0.1, 10.0.0.2, 10.0.0.3 and 2 more",
    ],
  ])("%j reads %s", (input, text) => {
    expect(describeRule(rule(input))).toBe(text);
  });
});

test("a source says in which list a rule stands, and where", () => {
  expect(describeSource({ kind: "static", index: 2 })).toBe("conflist outboundRules[2]");
  expect(describeSource({ kind: "initial", index: 0 })).toBe("conflist runtimeRules[0]");
  expect(describeSource({ kind: "job", index: 1 })).toBe("job rules[1]");
  expect(describeSource({ kind: "runtime", key: "global/a", index: 3 })).toBe("KV global/a[3]");
  expect(describeSource({ kind: "default" })).toBe("conflist defaultAction");
});

test("an identity is shown as far as it is known", () => {
  expect(describeIdentity({ region: "global", namespace: "default", job: "web", group: "app" })).toBe(
    "default/web/app",
  );
  expect(describeIdentity({ namespace: "default" })).toBe("default");
  expect(describeIdentity({ job: "web" })).toBe("?/web");
  expect(describeIdentity({})).toBe("unknown");
});
