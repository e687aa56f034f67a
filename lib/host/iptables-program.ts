import { readFileSync } from "node:fs";
import { isUnread, type Fact } from "../doctor/check.ts";
import type { IptablesProgram, Variant } from "../doctor/iptables.ts";
import type { Family } from "../policy/address.ts";
import { isMissing } from "./atomic-file.ts";
import { findProgram, programFolders } from "./iptables.ts";
import { awaitFact, readFact } from "./read-fact.ts";
import { runProgram } from "./run-program.ts";

export interface ProgramOptions {
  readonly path: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * One family's iptables, first on `path`, and how many rules the other variant has in the filter table. Undefined where
 * it is not installed. Nothing is loaded into the kernel: a table of iptables-legacy is looked at only if it is there.
 *
 * @throws IptablesError where it does not run
 */
export async function readIptablesProgram(
  family: Family,
  { path, signal }: ProgramOptions,
): Promise<IptablesProgram | undefined> {
  const base = family === 4 ? "iptables" : "ip6tables";
  const folders = programFolders(path);
  const run = (file: string, args: readonly string[]): Promise<string> =>
    runProgram(file, args, { input: "", path: folders.join(":"), signal, onStart: undefined });
  const file = findProgram(`${base}-restore`, folders);
  if (file === undefined) return undefined;
  const printed = await run(file, ["--version"]);
  const variant: Variant = printed.includes("nf_tables") ? "nf_tables" : "legacy";
  const version = /v(\d[\w.]*)/.exec(printed)?.[1] ?? printed.trim();
  return { file, version, variant, otherRules: await countOther() };

  async function countOther(): Promise<Fact<number>> {
    if (variant === "nf_tables") {
      const isThere = readFact(() => hasLegacyFilter(family));
      if (isThere === false || isUnread(isThere)) return isThere === false ? 0 : isThere;
    }
    const other = `${base}-${variant === "legacy" ? "nft" : "legacy"}-save`;
    const save = findProgram(other, folders);
    if (save === undefined) return { unread: `${other} is not installed` };
    return awaitFact(run(save, ["--table", "filter"]).then((text) => text.match(/^-A /gm)?.length ?? 0));
  }
}

/** The tables of iptables-legacy in this network namespace; without its modules there is no such file. */
function hasLegacyFilter(family: Family): boolean {
  try {
    const names = readFileSync(`/proc/net/${family === 4 ? "ip_tables_names" : "ip6_tables_names"}`, "utf8");
    return names.split("\n").includes("filter");
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
