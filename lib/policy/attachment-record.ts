import { z } from "zod";
import type { Attachment } from "./attachment.ts";
import { formatRule, ruleSchema, type Rule } from "./rule.ts";

/** Raise it when a field changes its meaning; a record of another version is set aside. */
const RECORD_VERSION = 1;

const policySchema = z.strictObject({
  mainChain: z.string(),
  defaultAction: z.enum(["ACCEPT", "DROP", "REJECT"]),
  staticRules: z.array(ruleSchema),
  initialRules: z.array(ruleSchema),
  hostTraffic: z.enum(["filter", "allow"]),
  logDenied: z.boolean(),
});

const recordSchema = z.strictObject({
  version: z.literal(RECORD_VERSION),
  network: z.string(),
  containerId: z.string(),
  ifname: z.string(),
  chain: z.string(),
  addresses: z.array(z.string()),
  hostInterface: z.strictObject({ name: z.string(), isBridgePort: z.boolean() }).exactOptional(),
  netns: z.string(),
  identity: z.strictObject({
    region: z.string().exactOptional(),
    namespace: z.string().exactOptional(),
    job: z.string().exactOptional(),
    group: z.string().exactOptional(),
  }),
  policy: policySchema,
  jobRules: z.array(ruleSchema),
  addedAt: z.string(),
  sequence: z.number(),
});

/** An attachment as its state file holds it: JSON that a person can read. */
export function formatAttachment(attachment: Attachment): string {
  const { policy, jobRules, ...rest } = attachment;
  const record = {
    version: RECORD_VERSION,
    ...rest,
    jobRules: jobRules.map(formatRule),
    policy: {
      ...policy,
      staticRules: policy.staticRules.map(formatRule),
      initialRules: policy.initialRules.map(formatRule),
    },
  };
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/**
 * Parses a state file.
 *
 * @throws SyntaxError or ZodError when it is not one, whole and of this version
 */
export function parseAttachment(text: string): Attachment {
  const { version: _, ...attachment } = recordSchema.parse(JSON.parse(text));
  return attachment;
}

/** Rules that read alike become one list, so that what is compiled from them is compiled once. */
export function shareRules(attachment: Attachment, known: Map<string, readonly Rule[]>): Attachment {
  const share = (rules: readonly Rule[]): readonly Rule[] => {
    const text = JSON.stringify(rules);
    const shared = known.get(text);
    if (shared) return shared;
    known.set(text, rules);
    return rules;
  };
  const { policy } = attachment;
  return {
    ...attachment,
    jobRules: share(attachment.jobRules),
    policy: { ...policy, staticRules: share(policy.staticRules), initialRules: share(policy.initialRules) },
  };
}
