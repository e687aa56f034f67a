import { describe, expect, test } from "vitest";
import { closeIfExpired, expiringWithin, nextExpiry } from "../../../lib/policy/expiry.ts";
import { rule, runtimeRuleSet, runtimeRulesOf } from "./fixtures.ts";

describe("nextExpiry", () => {
  test("is the earliest one still to come, of audited sets too", () => {
    const runtimeRules = runtimeRulesOf({
      "global/a": { expiresAt: 3000 },
      "global/b": { expiresAt: 2000, mode: "audit" },
      "global/c": { expiresAt: 1000 },
      "global/d": {},
    });
    expect([0, 999, 1000, 2000, 3000].map((nowMs) => nextExpiry(runtimeRules, nowMs))).toEqual([
      1000,
      1000,
      2000,
      3000,
      undefined,
    ]);
  });
});

test("what expires soon is told from what has expired and from what has time", () => {
  const runtimeRules = runtimeRulesOf({
    "global/over": { expiresAt: 999 },
    "global/now": { expiresAt: 1000 },
    "global/soon": { expiresAt: 1500 },
    "global/soon-audited": { expiresAt: 1600, mode: "audit" },
    "global/later": { expiresAt: 1601 },
    "global/never": {},
  });
  const expiring = expiringWithin(runtimeRules, { nowMs: 1000, withinMs: 600 });
  expect(expiring.map(({ key }) => key)).toEqual(["global/soon", "global/soon-audited"]);
});

describe("closeIfExpired", () => {
  const accept = rule({ host: "10.0.0.1", action: "ACCEPT" });
  const drop = rule({ host: "10.0.0.2", action: "DROP" });
  const reject = rule({ host: "10.0.0.3", action: "REJECT" });
  const set = runtimeRuleSet("global/a", { rules: [accept, drop, reject], expiresAt: 1000 });

  test("leaves a rule set alone until its moment", () => {
    expect(closeIfExpired(set, 999)).toBe(set);
  });

  test("takes the accepts and keeps the denies from then on, once", () => {
    const closed = closeIfExpired(set, 1000);
    expect(closed).toMatchObject({ hasExpired: true, ruleSet: { rules: [drop, reject], expiresAt: 1000 } });
    expect(closeIfExpired(closed, 1001)).toBe(closed);
    expect(closeIfExpired(closed, 0)).toBe(closed);
  });
});
