import { describe, expect, test } from "vitest";
import { networkHasRuleSet, ruleSetsFor } from "../../../lib/policy/runtime-rules.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { runtimeRulesOf } from "./fixtures.ts";

const attachment = { network: "mesh", containerId: "a1", identity: { namespace: "default", job: "web", group: "api" } };

function keysFor(runtimeRules: RuntimeRules, nowMs = 0): readonly string[] {
  return ruleSetsFor(attachment, { runtimeRules, nowMs }).map(({ key }) => key);
}

describe("ruleSetsFor", () => {
  test("picks the sets of the attachment's scopes, widest scope first and by key within one", () => {
    const runtimeRules = runtimeRulesOf({
      "node/n1/x": {},
      "node/n2/x": {},
      "network/mesh/x": {},
      "network/other/x": {},
      "namespace/default/x": {},
      "namespace/other/x": {},
      "namespace/default/job/web/x": {},
      "namespace/default/job/db/x": {},
      "namespace/other/job/web/x": {},
      "namespace/default/job/web/group/api/x": {},
      "namespace/default/job/web/group/ui/x": {},
      "namespace/default/alloc/a1/x": {},
      "namespace/default/alloc/a2/x": {},
      "global/b": {},
      "global/a": {},
    });
    expect(keysFor(runtimeRules)).toEqual([
      "global/a",
      "global/b",
      "node/n1/x",
      "network/mesh/x",
      "namespace/default/x",
      "namespace/default/job/web/x",
      "namespace/default/job/web/group/api/x",
      "namespace/default/alloc/a1/x",
    ]);
  });

  test("leaves out audited sets and those that have expired", () => {
    const runtimeRules = runtimeRulesOf({
      "global/audited": { mode: "audit" },
      "global/expired": { expiresAt: 1000 },
      "global/lasting": { expiresAt: 1001 },
    });
    expect(keysFor(runtimeRules, 1000)).toEqual(["global/lasting"]);
    expect(keysFor(runtimeRules, 999)).toEqual(["global/expired", "global/lasting"]);
  });
});

describe("networkHasRuleSet", () => {
  test.each([
    ["network/mesh/x", {}, true],
    ["network/mesh/x", { rules: [] }, true],
    ["network/mesh/x", { mode: "audit" }, false],
    ["network/mesh/x", { expiresAt: 1000 }, false],
    ["network/mesh/x", { expiresAt: 1001 }, true],
    ["network/other/x", {}, false],
    ["global/mesh", {}, false],
    ["node/mesh/x", {}, false],
  ] as const)("for %s %j is %s", (key, ruleSet, has) => {
    expect(networkHasRuleSet("mesh", { runtimeRules: runtimeRulesOf({ [key]: ruleSet }), nowMs: 1000 })).toBe(has);
  });
});
