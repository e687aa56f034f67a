import { compileDispatch } from "../netfilter/compile-attachment.ts";
import type { ActualRuleset } from "../netfilter/parse-ruleset.ts";
import type { Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";

/** What was read of the kernel: `absent` where this host has no such family, `unreadable` where reading failed. */
export type KernelTables = Readonly<Record<Family, ActualRuleset | "absent" | "unreadable">>;

/**
 * `unused`: no packet of that family can come from the attachment. `empty`: the chain is there and somebody else took
 * its rules away. `unknown`: the kernel could not be read.
 */
export type ChainState = "present" | "empty" | "missing" | "unused" | "unknown";

export interface ChainStates {
  readonly ipv4: ChainState;
  readonly ipv6: ChainState;
}

/** Whether an attachment's own chain is in the kernel, for each family. */
export function chainStates(attachment: Attachment, kernel: KernelTables): ChainStates {
  return { ipv4: chainState(attachment, 4, kernel), ipv6: chainState(attachment, 6, kernel) };
}

/** The tables that were read. */
export function readTables(kernel: KernelTables): ReadonlyMap<Family, ActualRuleset> {
  const families: readonly Family[] = [4, 6];
  return new Map(
    families.flatMap((family) => {
      const table = kernel[family];
      return typeof table === "string" ? [] : [[family, table] as const];
    }),
  );
}

function chainState(attachment: Attachment, family: Family, kernel: KernelTables): ChainState {
  const table = kernel[family];
  if (table === "absent" || compileDispatch(attachment, family).length === 0) return "unused";
  if (table === "unreadable") return "unknown";
  const rules = table.get(attachment.chain);
  if (!rules) return "missing";
  return rules.length === 0 ? "empty" : "present";
}
