import { findProgram, programFolders } from "./iptables.ts";
import { readKernelSetting } from "./kernel-settings.ts";
import { runProgram } from "./run-program.ts";

export interface LogNamespacesOptions {
  readonly path: string | undefined;
  readonly signal: AbortSignal;
}

const SETTING = "net/netfilter/nf_log_all_netns";

/**
 * Init and the kernel's own kthreadd: on a host both are in the first network namespace, and whoever has fewer
 * capabilities than init may look at the second alone (ptrace(2), access mode checking). Elsewhere neither is, or there
 * is none, and then the setting is not there either.
 */
const PIDS = ["1", "2"];

/**
 * Whether LOG rules of this network namespace write to the kernel's log: the first one's always do, the others' where
 * a setting says so that is there in the first one only (Documentation/networking/netfilter-sysctl.rst).
 *
 * @throws Error where the setting is out of reach
 */
export async function isKernelLogWritten({ path, signal }: LogNamespacesOptions): Promise<boolean> {
  if (readKernelSetting(SETTING) !== undefined) return true;
  const folders = programFolders(path);
  const nsenter = findProgram("nsenter", folders);
  if (nsenter === undefined) throw new Error("nsenter is not installed");
  const options = { input: "", path: folders.join(":"), signal, onStart: undefined };
  const causes: unknown[] = [];
  for (const pid of PIDS) {
    try {
      return (await runProgram(nsenter, ["-t", pid, "-n", "cat", `/proc/sys/${SETTING}`], options)).trim() !== "0";
    } catch (error) {
      causes.push(error);
    }
  }
  throw new AggregateError(causes, "the host's network namespace cannot be asked from here");
}
