import * as z from "zod";
import { formatRule, ruleSchema } from "../policy/rule.ts";
import type { Rule } from "../policy/rule.ts";

/** Raise it when a field changes its meaning; a status of another format is told as unreadable. */
const STATUS_FORMAT = 1;

/** What a watcher says of its node, in `<root>/status/<node>`. It has no times: it is written only when it changes. */
export interface NodeStatus {
  readonly node: string;
  /** Of the watcher. */
  readonly version: string;
  readonly isInSync: boolean;
  /** What keeps it from being in sync: one line each. */
  readonly problems: readonly string[];
  /** What attachments are decided by besides runtime rules: the distinct ones, which groups point to by position. */
  readonly policies: readonly NodePolicy[];
  readonly groups: readonly AttachmentGroup[];
  /** Rule sets that apply to an attachment of this node, as the kernel has them. Sorted by key. */
  readonly ruleSets: readonly AppliedRuleSet[];
  /** Values that were refused, of scopes that an attachment of this node is in. Sorted by key. */
  readonly rejections: readonly NodeRejection[];
  /** What audited rule sets would have decided, once for each kind of connection. */
  readonly audited: readonly AuditedConnection[];
  /** Attachments of which it is not known whose they are, by why. Absent: there are none. */
  readonly unidentified?: readonly UnidentifiedGroup[];
  /** Parts that are empty here, or shorter than they are, because there was too much to tell. Absent: nothing is. */
  readonly leftOut?: readonly LeftOut[];
}

export interface UnidentifiedGroup {
  readonly attachments: number;
  /** When the first of them was attached, RFC 3339. */
  readonly since: string;
  /** Absent while Nomad is being asked. */
  readonly problem?: string;
}

/** `issues`: those of rejections. */
export type LeftOut = "audited" | "issues" | "rejections" | "policies" | "ruleSets" | "groups";

/** The parts of a conflist and of a job that decide packets. */
export interface NodePolicy {
  readonly defaultAction: "ACCEPT" | "DROP" | "REJECT";
  readonly staticRules: readonly Rule[];
  readonly initialRules: readonly Rule[];
  readonly jobRules: readonly Rule[];
}

/** Attachments that differ only in their allocation. */
export interface AttachmentGroup {
  readonly network: string;
  readonly namespace?: string;
  readonly job?: string;
  readonly group?: string;
  /** Position in `policies`. */
  readonly policy: number;
  /** Whole ids, sorted; one that is attached twice is there twice. */
  readonly allocations: readonly string[];
}

export interface AppliedRuleSet {
  /** Below `<root>/rules/`. */
  readonly key: string;
  readonly modifyIndex: number;
  readonly state: "in-force" | "audit" | "expired";
  /** How many of this node's attachments it applies to. */
  readonly attachments: number;
}

export interface NodeRejection {
  readonly key: string;
  readonly modifyIndex: number;
  /** Of the version that stays in force; absent where there is none. */
  readonly keptModifyIndex?: number;
  readonly issues: readonly { readonly path: string; readonly message: string }[];
}

export interface AuditedConnection {
  readonly key: string;
  readonly wouldBe: "accepted" | "denied";
  readonly allocation: string;
  readonly protocol: string;
  readonly destination: string;
  readonly port?: number;
}

const rules = z.array(ruleSchema);
const text = z.string();
/** A key in KV is made of it, and half a surrogate pair has none. */
const name = text.refine((each) => each.isWellFormed());
const count = z.int().nonnegative();

/** Keys that are not known are left out, so that an older reader understands a newer watcher. */
const statusSchema = z.object({
  format: z.literal(STATUS_FORMAT),
  node: name,
  version: text,
  isInSync: z.boolean(),
  problems: z.array(text),
  policies: z.array(
    z.object({
      defaultAction: z.enum(["ACCEPT", "DROP", "REJECT"]),
      staticRules: rules,
      initialRules: rules,
      jobRules: rules,
    }),
  ),
  groups: z.array(
    z.object({
      network: name,
      namespace: name.exactOptional(),
      job: name.exactOptional(),
      group: name.exactOptional(),
      policy: count,
      allocations: z.array(name),
    }),
  ),
  ruleSets: z.array(
    z.object({
      key: text,
      modifyIndex: count,
      state: z.enum(["in-force", "audit", "expired"]),
      attachments: count,
    }),
  ),
  rejections: z.array(
    z.object({
      key: text,
      modifyIndex: count,
      keptModifyIndex: count.exactOptional(),
      issues: z.array(z.object({ path: text, message: text })),
    }),
  ),
  audited: z.array(
    z.object({
      key: text,
      wouldBe: z.enum(["accepted", "denied"]),
      allocation: text,
      protocol: text,
      destination: text,
      port: count.exactOptional(),
    }),
  ),
  unidentified: z.array(z.object({ attachments: count, since: text, problem: text.exactOptional() })).exactOptional(),
  leftOut: z.array(z.enum(["audited", "issues", "rejections", "policies", "ruleSets", "groups"])).exactOptional(),
});

/** As the KV key holds it: JSON on one line. Equal statuses give equal text. */
export function formatNodeStatus({ policies, ...rest }: NodeStatus): string {
  return JSON.stringify({
    format: STATUS_FORMAT,
    ...rest,
    policies: policies.map(({ defaultAction, ...lists }) => ({
      defaultAction,
      staticRules: lists.staticRules.map(formatRule),
      initialRules: lists.initialRules.map(formatRule),
      jobRules: lists.jobRules.map(formatRule),
    })),
  });
}

/** @throws SyntaxError or ZodError where it is not one, or of another format */
export function parseNodeStatus(value: string): NodeStatus {
  const { format: _, ...status } = statusSchema.parse(JSON.parse(value));
  return status;
}
