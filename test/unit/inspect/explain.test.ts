import { expect, test } from "vitest";
import { parseDestination } from "../../../lib/inspect/destination.ts";
import { explain, formatExplanation } from "../../../lib/inspect/explain.ts";
import { rule, runtimeRulesOf } from "../policy/fixtures.ts";
import type { AttachmentOverrides } from "../../support/attachment.ts";
import { attachmentWith } from "./fixtures.ts";

const noDb = rule({ host: "10.1.0.0/16", action: "DROP", comment: "frozen" });
const runtimeRules = runtimeRulesOf({
  "namespace/default/job/web/no-db": { rules: [rule({ action: "DROP", proto: "udp" }), noDb] },
});
const hostAddresses = new Set(["10.88.0.1"]);

function explained(destination: string, changes: AttachmentOverrides = {}) {
  const packet = parseDestination(destination);
  return explain(attachmentWith(changes), { packet, context: { runtimeRules, nowMs: 0 }, hostAddresses });
}

test("the rule that decides is told with its comment and where it comes from", () => {
  const explanation = explained("10.1.2.3:443");
  expect(explanation).toMatchObject({ verdict: "drop", from: "KV namespace/default/job/web/no-db[1]" });
  expect(formatExplanation(explanation).split("\n")).toEqual([
    "Allocation  8f1c2b3a-1111-2222-3333-444455556666 (default/web/app), network egress",
    "Connection  tcp to 10.1.2.3 port 443",
    "Verdict     drop",
    "Rule        DROP all to 10.1.0.0/16",
    'From        KV namespace/default/job/web/no-db[1]: "frozen"',
  ]);
});

test("where no rule matches, the default action decides", () => {
  expect(explained("10.2.0.1:443", { policy: { defaultAction: "REJECT" } })).toMatchObject({
    verdict: "reject",
    from: "conflist defaultAction",
    rule: null,
    text: "none matches: REJECT by default",
  });
});

test("traffic to the host itself is left alone only where the conflist says so", () => {
  const allow = { policy: { hostTraffic: "allow" } } as const;
  expect(explained("10.88.0.1:22")).toMatchObject({ verdict: "drop", source: { kind: "default" } });
  expect(explained("10.88.0.1:22", allow)).toMatchObject({ verdict: "accept", source: { kind: "host-traffic" } });
  expect(explained("10.88.0.9:22", allow)).toMatchObject({ verdict: "drop", source: { kind: "default" } });
});
