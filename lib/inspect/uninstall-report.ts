import type { UninstallPlan } from "../netfilter/plan-uninstall.ts";
import type { Family } from "../policy/address.ts";

/** `outbound uninstall --json`. */
export interface UninstallReport {
  /** False: this is what `--yes` would remove. */
  readonly isDone: boolean;
  readonly families: readonly FamilyUninstall[];
  /** Files and folders. */
  readonly files: readonly string[];
  /** Folders that something else is in. */
  readonly leftFolders: readonly string[];
}

export interface FamilyUninstall {
  readonly family: Family;
  /** Chains that a jump of ours stands in, once for each. */
  readonly jumpsFrom: readonly string[];
  readonly chains: readonly string[];
  /** Chains of the Go plugin, which guard its containers. */
  readonly leftChains: readonly string[];
  /** Chains that are emptied only: rules of somebody else lead to them. */
  readonly emptied: readonly string[];
  /** Built-in chains that hold nothing without our jumps: iptables made them, where they were not there before. */
  readonly leftEmpty: readonly string[];
}

/** `made` are those of the built-in chains that were made for our jumps and go with them. */
export function reportFamily(
  family: Family,
  { anchors, remove, left, stuck, leftEmpty }: UninstallPlan,
  { made }: { readonly made: readonly string[] },
): FamilyUninstall {
  return {
    family,
    jumpsFrom: anchors.map((line) => line.split(" ")[1] ?? ""),
    chains: [...remove, ...made].toSorted(),
    leftChains: left.toSorted(),
    emptied: stuck.map(({ chain }) => chain).toSorted(),
    leftEmpty: leftEmpty.filter((chain) => !made.includes(chain)),
  };
}

export function formatUninstall({ isDone, families, files, leftFolders }: UninstallReport): string {
  const verb = isDone ? "Removed" : "Would remove";
  const lines = [
    ...families.flatMap((each) => formatFamily(each, verb)),
    ...files.map((file) => `${verb} ${file}`),
    ...leftFolders.map((folder) => `Left ${folder}: something else is in it`),
  ];
  return lines.length === 0 ? "Nothing of outbound is on this node" : lines.join("\n");
}

function formatFamily(report: FamilyUninstall, verb: string): readonly string[] {
  const { family, jumpsFrom, chains, leftChains, emptied, leftEmpty } = report;
  const start = `IPv${family}:`;
  return [
    ...jumpsFrom.map((chain) => `${start} ${verb} the jump in ${chain}`),
    ...chains.map((chain) => `${start} ${verb} chain ${chain}`),
    ...emptied.map((chain) => `${start} Only emptied ${chain}: rules of somebody else lead to it`),
    ...leftEmpty.map((chain) => `${start} ${chain} stays, empty; if it was not there before, iptables made it`),
    ...leftChains.map((chain) => `${start} Left ${chain}: the Go plugin's containers need it`),
  ];
}
