import { parseRuleSetJson } from "../../../lib/policy/rule-set.ts";
import { ruleSchema } from "../../../lib/policy/rule.ts";
import type { RuntimeRules } from "../../../lib/policy/runtime-rules.ts";
import { parseKey } from "../../../lib/policy/scope.ts";
import { attachmentOf } from "../../support/attachment.ts";

/** An attachment in which every field says something. */
export const RECORDED = attachmentOf({
  policy: {
    staticRules: [ruleSchema.parse({ host: "10.10.0.0/16", proto: "tcp", port: "80,443", action: "ACCEPT" })],
    initialRules: [ruleSchema.parse({ host: ["192.168.1.1", "2001:db8::/64"], action: "DROP", comment: 'é \\ "x"' })],
    logDenied: true,
  },
  jobRules: [ruleSchema.parse({ proto: "udp", port: 53, action: "ACCEPT" })],
});

const VALUES: Readonly<Record<string, unknown>> = {
  "global/deny": { host: "10.1.1.1", action: "DROP" },
  "namespace/default/job/web/a": { rules: [{ host: "10.20.0.0/16", action: "ACCEPT" }], mode: "enforce" },
  "namespace/default/job/web/b": {
    rules: [{ proto: "tcp", port: 5432, action: "ACCEPT" }],
    expiresAt: "2027-11-24T12:00:00Z",
  },
  "namespace/other/c": [{ host: "::/0", action: "ACCEPT" }],
  "node/n1/d": { rules: [{ action: "REJECT", proto: "sctp" }], mode: "audit", description: "für später" },
};

/** Rule sets of scopes that it is in, and of another. */
export const CACHED: RuntimeRules = {
  node: "n1",
  ruleSets: Object.entries(VALUES).map(([key, value], index) => {
    const place = parseKey(key);
    const parsed = parseRuleSetJson(value);
    if (place.kind !== "rule-set" || !parsed.ok) throw new Error(`Cannot use ${key}: it is no rule set`);
    return { key, scope: place.scope, name: place.name, modifyIndex: index + 1, ruleSet: parsed.value };
  }),
};
