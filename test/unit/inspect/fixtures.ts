import type { KernelTables } from "../../../lib/inspect/kernel.ts";
import { createCompiler } from "../../../lib/netfilter/compile-node.ts";
import { parseRuleset, type ActualRuleset } from "../../../lib/netfilter/parse-ruleset.ts";
import type { Family } from "../../../lib/policy/address.ts";
import type { Attachment } from "../../../lib/policy/attachment.ts";
import type { RuntimeContext } from "../../../lib/policy/runtime-rules.ts";
import { attachmentOf, type AttachmentOverrides } from "../../support/attachment.ts";

/** Attached to the network `egress`, of default/web/app. */
export function attachmentWith(changes: AttachmentOverrides = {}): Attachment {
  return attachmentOf({
    containerId: "8f1c2b3a-1111-2222-3333-444455556666",
    chain: "CNI-OUT-0123456789abcdef0123",
    hostInterface: { name: "veth1", isBridgePort: true },
    addedAt: "2026-11-24T06:19:00Z",
    ...changes,
  });
}

export interface CompileOptions extends RuntimeContext {
  readonly family: Family;
  /** Counters of a rule by its place among all rules of all chains. Default: none counted anything. */
  readonly count?: (chain: string, text: string) => number;
}

/** The filter table as it reads once the attachments are compiled into it; a packet has 100 bytes. */
export function tableOf(attachments: readonly Attachment[], options: CompileOptions): ActualRuleset {
  const { family, count = () => 0 } = options;
  const node = createCompiler(family).compileNode(attachments, options);
  const lines = [...node.chains.values()].flatMap(({ name, rules }) => [
    `:${name} - [0:0]`,
    ...rules.map(({ text }) => `[${count(name, text)}:${100 * count(name, text)}] -A ${name} ${text}`),
  ]);
  return parseRuleset(["*filter", ...lines, "COMMIT"].join("\n"));
}

export const unreadableKernel: KernelTables = { 4: "unreadable", 6: "unreadable" };
