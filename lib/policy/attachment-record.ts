import { z } from "zod";
import { parseAddress } from "./address.ts";
import type { Attachment } from "./attachment.ts";
import { formatRule, ruleSchema, type Rule } from "./rule.ts";

/** Raise it when a field changes its meaning; a record of another version is set aside. */
const RECORD_VERSION = 1;

/** What goes into rules must be what ADD writes: one damaged record must not stop every other's rules. */
const ownAddress = z.string().refine(isAddress);
const deviceName = z.string().regex(/^[A-Za-z0-9_.-]{1,15}$/);
const chainName = z.string().regex(/^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,27}$/);

const policySchema = z.strictObject({
  mainChain: chainName,
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
  chain: chainName,
  addresses: z.array(ownAddress),
  hostInterface: z.strictObject({ name: deviceName, isBridgePort: z.boolean() }).exactOptional(),
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

function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
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
