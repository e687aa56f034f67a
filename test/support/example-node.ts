import type { PolicyInput } from "../../lib/netfilter/chain-memo.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import { ruleSchema, type Rule, type RuleInput } from "../../lib/policy/rule.ts";
import type { RuntimeRuleSet } from "../../lib/policy/runtime-rules.ts";
import { parseKey } from "../../lib/policy/scope.ts";
import { attachmentOf } from "./attachment.ts";

const staticRules = rulesOf(
  { host: "10.1.0.0/16", proto: "tcp", port: "5432", action: "ACCEPT", comment: "orders db" },
  { host: ["169.254.169.254", "fd00:ec2::254"], action: "REJECT" },
  { proto: "udp", port: 53, action: "ACCEPT" },
);

/** Three allocations of two jobs on one network, with rules of every kind. */
export const exampleNode: { readonly attachments: readonly Attachment[]; readonly input: PolicyInput } = {
  attachments: [
    attachmentOf({
      policy: { staticRules, initialRules: rulesOf({ host: "10.9.0.0/16", action: "ACCEPT" }) },
      jobRules: rulesOf({ host: "198.51.100.0/24", proto: "tcp", port: "80,443,8000-8100", action: "ACCEPT" }),
      sequence: 1000,
    }),
    attachmentOf({
      containerId: "0f3c5d1e-0a1b-2c3d-4e5f-0123456789ab",
      addresses: ["10.88.0.3", "fd00:88::3"],
      hostInterface: { name: "veth11111111", isBridgePort: true },
      policy: { staticRules },
      sequence: 2000,
    }),
    attachmentOf({
      network: "lab",
      containerId: "77777777-0a1b-2c3d-4e5f-0123456789ab",
      addresses: ["10.99.0.2"],
      hostInterface: { name: "veth22222222", isBridgePort: false },
      identity: { region: "global", namespace: "default", job: "batch/periodic-1700", group: "run" },
      policy: { defaultAction: "REJECT", logDenied: true, hostTraffic: "allow" },
      sequence: 3000,
    }),
  ],
  input: {
    nowMs: Date.parse("2026-11-24T12:00:00Z"),
    runtimeRules: {
      node: "n1",
      ruleSets: [
        ruleSet("global/no-metadata", { host: "169.254.0.0/16", action: "DROP" }),
        ruleSet(
          "namespace/default/job/batch/fetch",
          { host: "203.0.113.0/24", proto: "tcp", port: 443, action: "ACCEPT" },
          { host: "203.0.113.9", action: "REJECT" },
        ),
        ruleSet("namespace/default/job/web/allow-db", {
          host: ["10.2.3.4", "2001:db8:1::/48"],
          proto: "tcp",
          port: 5432,
          action: "ACCEPT",
        }),
      ],
    },
  },
};

export function rulesOf(...inputs: readonly RuleInput[]): readonly Rule[] {
  return inputs.map((input) => ruleSchema.parse(input));
}

function ruleSet(key: string, ...inputs: readonly RuleInput[]): RuntimeRuleSet {
  const parsed = parseKey(key);
  if (parsed.kind !== "rule-set") throw new Error(`Cannot use key: ${key} is no rule set's`);
  const { scope, name } = parsed;
  return { key, scope, name, modifyIndex: 1, ruleSet: { rules: rulesOf(...inputs), mode: "enforce" } };
}
