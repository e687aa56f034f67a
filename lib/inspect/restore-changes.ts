import { isOwnChainName } from "../netfilter/names.ts";
import type { Family } from "../policy/address.ts";
import { alignColumns } from "./table.ts";

/** What a transaction for iptables-restore changes. */
export interface RestoreChanges {
  /** Chains that are made, filled again or edited. */
  readonly written: readonly string[];
  readonly removed: readonly string[];
  /** Chains, built-in ones for the most part, in which the place of our jump changes. */
  readonly anchored: readonly string[];
}

export interface FamilyChanges extends RestoreChanges {
  readonly family: Family;
}

/** Reads the text of a plan, as `renderEdits` writes it. Only jumps are put into chains that are not ours. */
export function parseRestoreChanges(text: string): RestoreChanges {
  const lines = text.split("\n");
  const namesAfter = (start: RegExp): readonly string[] => [
    ...new Set(lines.flatMap((line) => start.exec(line)?.[1] ?? [])),
  ];
  const removed = namesAfter(/^-X (\S+)/);
  const edited = namesAfter(/^-[AID] (\S+) /);
  const declared = namesAfter(/^:(\S+) /);
  const written = [...new Set([...declared, ...edited.filter(isOwnChainName)])];
  return {
    written: written.filter((name) => !removed.includes(name)),
    removed,
    anchored: edited.filter((name) => !isOwnChainName(name) && !declared.includes(name)),
  };
}

/** `outbound reconcile --json`. */
export interface PassOutcome {
  readonly attachments: number;
  /** False: the runtime rules are not all known, and nothing was removed. */
  readonly isSettled: boolean;
  readonly changed: readonly FamilyChanges[];
}

export function formatPass({ attachments, isSettled, changed }: PassOutcome): string {
  const many = `${attachments} ${attachments === 1 ? "attachment" : "attachments"}`;
  const lines = alignColumns(
    changed.flatMap(({ family, written, removed, anchored }) => [
      ...written.map((chain) => [`IPv${family}`, "written", chain]),
      ...removed.map((chain) => [`IPv${family}`, "removed", chain]),
      ...anchored.map((chain) => [`IPv${family}`, "jump put right in", chain]),
    ]),
  );
  return [
    ...(lines.length === 0 ? [`Nothing had to be changed for ${many}`] : lines),
    ...(isSettled ? [] : ["The rules from Consul KV are not all known here: nothing was removed"]),
  ].join("\n");
}
