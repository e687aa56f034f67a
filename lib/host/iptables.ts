import { existsSync } from "node:fs";
import { renderListing } from "../netfilter/render-plan.ts";
import type { Family } from "../policy/address.ts";
import { IptablesError } from "./iptables-error.ts";
import { runBlocking, runProgram } from "./run-program.ts";

/** Reads the filter table; a caller that only reads gets no more than this. */
export interface RulesetReader {
  /** `iptables-save` of the filter table; with the rules' counters where asked for. */
  readonly save: (family: Family, options?: SaveOptions) => Promise<string>;
  /** Lists chains in one call; it ends at the first that does not exist, so name those first that always do. */
  readonly list: (family: Family, chains: readonly string[]) => Promise<string>;
  /** Whether the family's programs are installed. */
  readonly has: (family: Family) => boolean;
}

export interface SaveOptions {
  readonly withCounters: boolean;
}

export interface Iptables extends RulesetReader {
  /**
   * Feeds `iptables-restore --noflush` and resolves with what it prints. Throws IptablesError when it exits with
   * anything but 0; a transaction that failed has changed nothing.
   */
  readonly restore: (family: Family, text: string) => Promise<string>;
}

export interface IptablesOptions {
  readonly path: string | undefined;
  readonly signal?: AbortSignal;
  /** Waits for each program in place: for a process that does nothing else, that starts much sooner (no streams). */
  readonly isBlocking?: boolean;
  /** Told of every process that may change rules, so that its changes are not taken for somebody else's. */
  readonly onStart?: (pid: number) => void;
  /** A descriptor that whatever may change rules keeps open: it holds a lock until that has ended. */
  readonly inherited?: () => number | undefined;
}

/** Which of its two kernel interfaces the `iptables` first on `path` uses (iptables(8), `--version`). */
export async function readVariant({ path }: Pick<IptablesOptions, "path">): Promise<"nf_tables" | "legacy"> {
  const folders = programFolders(path);
  const file = findProgram("iptables-restore", folders) ?? findProgram("ip6tables-restore", folders);
  if (file === undefined) return "legacy";
  const printed = await runProgram(file, ["--version"], { ...NOTHING_TO_READ, path: folders.join(":") });
  return printed.includes("nf_tables") ? "nf_tables" : "legacy";
}

/** Where Debian, Red Hat and Alpine keep them; an agent's PATH often lacks the sbin folders. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"];
/** iptables-legacy waits this long for /run/xtables.lock; nft has no such lock and ignores it (xtables-nft(8)). */
const LOCK_WAIT_SECONDS = 5;

/** The iptables programs first on `path`: the same variant that the node's other CNI plugins use. */
export function createIptables({ path, signal, isBlocking = false, onStart, inherited }: IptablesOptions): Iptables {
  const folders = programFolders(path);
  const find = (program: string): string | undefined => findProgram(program, folders);
  const run = async (program: string, args: readonly string[], input: string): Promise<string> => {
    const file = find(program);
    if (file === undefined) {
      throw new IptablesError(`Cannot run ${program}: it is not installed`, { input, stdout: "" });
    }
    const options = { input, path: folders.join(":"), signal, onStart, inherited: inherited?.() };
    if (!isBlocking) return runProgram(file, args, options);
    // What bounds the whole process is a timer: it gets its turn between two programs.
    await new Promise((resolve) => setImmediate(resolve));
    return runBlocking(file, args, options);
  };
  const restore = (family: Family, text: string): Promise<string> =>
    run(programName(family, "restore"), ["--noflush", "--wait", String(LOCK_WAIT_SECONDS)], text);
  return {
    has: (family) => find(programName(family, "restore")) !== undefined,
    save: (family, { withCounters } = { withCounters: false }) =>
      run(programName(family, "save"), [...(withCounters ? ["--counters"] : []), "--table", "filter"], ""),
    restore,
    list: async (family, chains) => {
      try {
        return await restore(family, renderListing(chains));
      } catch (error) {
        if (error instanceof IptablesError && error.stdout !== "") return error.stdout;
        throw error;
      }
    },
  };
}

/** Where programs are looked for, in order. Relative entries of PATH depend on the working folder: they do not count. */
export function programFolders(path: string | undefined): readonly string[] {
  return [...(path ?? "").split(":").filter((folder) => folder.startsWith("/")), ...SYSTEM_FOLDERS];
}

export function findProgram(program: string, folders: readonly string[]): string | undefined {
  return folders.map((folder) => `${folder}/${program}`).find((file) => existsSync(file));
}

function programName(family: Family, verb: "save" | "restore"): string {
  return `${family === 4 ? "iptables" : "ip6tables"}-${verb}`;
}

const NOTHING_TO_READ = { input: "", signal: undefined, onStart: undefined };
