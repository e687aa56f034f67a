import type { Family } from "../policy/address.ts";
import { findProgram, programFolders, readVariant } from "./iptables.ts";
import { runProgram } from "./run-program.ts";

/**
 * The filter table that iptables-nft works on, as `nft -a list table` prints it. Undefined where iptables is the other
 * variant, or nft is not installed or does not know the table.
 */
export async function readNftTable(
  family: Family,
  { path }: { readonly path: string | undefined },
): Promise<string | undefined> {
  const folders = programFolders(path);
  const nft = findProgram("nft", folders);
  if (nft === undefined || (await readVariant({ path })) === "legacy") return undefined;
  const options = { input: "", path: folders.join(":"), signal: undefined, onStart: undefined };
  try {
    return await runProgram(nft, ["-a", "list", "table", family === 4 ? "ip" : "ip6", "filter"], options);
  } catch {
    return undefined;
  }
}
