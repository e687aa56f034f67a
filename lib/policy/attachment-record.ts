import { createHash } from "node:crypto";
import { z } from "zod";
import { isAddress } from "./address.ts";
import type { Attachment } from "./attachment.ts";
import { formatRule, ruleSchema, type Rule } from "./rule.ts";

/** Raise it when a field changes its meaning; a record of another version is set aside. */
const RECORD_VERSION = 1;

/** What goes into rules must be what ADD writes: one damaged record must not stop every other's rules. */
const ownAddress = z.string().refine(isAddress);
const deviceName = z.string().regex(/^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}$/);
/** A key in KV is made of it, and half a surrogate pair has none. */
const name = z.string().refine((text) => text.isWellFormed());
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
  network: name,
  containerId: name,
  ifname: z.string(),
  chain: chainName,
  addresses: z.array(ownAddress),
  hostInterface: z.strictObject({ name: deviceName, isBridgePort: z.boolean() }).exactOptional(),
  netns: z.string(),
  identity: z.strictObject({
    region: name.exactOptional(),
    namespace: name.exactOptional(),
    job: name.exactOptional(),
    group: name.exactOptional(),
  }),
  policy: policySchema,
  jobRules: z.array(ruleSchema),
  addedAt: z.string(),
  sequence: z.number(),
  digest: z.string(),
});

/**
 * An attachment as its state file holds it: JSON that a person can read, and a digest of it. Of an address with one
 * damaged bit most are addresses too, and would open what nobody opened.
 */
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
  return sealed(JSON.stringify(record, undefined, 2).slice(0, -END.length));
}

/**
 * Parses a state file.
 *
 * @throws SyntaxError or ZodError when it is not one, whole and of this version; Error when it was damaged
 */
export function parseAttachment(text: string): Attachment {
  const { version: _, digest: __, ...attachment } = recordSchema.parse(JSON.parse(text));
  if (sealed(text.slice(0, text.lastIndexOf(DIGEST_START))) !== text) {
    throw new Error("Cannot parse attachment: it is not as it was written, its digest is another one");
  }
  return attachment;
}

const END = "\n}";
const DIGEST_START = ',\n  "digest": "';

function sealed(body: string): string {
  const digest = createHash("sha256").update(body, "utf8").digest("hex").slice(0, 32);
  return `${body}${DIGEST_START}${digest}"${END}\n`;
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
