import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import type { Family } from "../policy/address.ts";
import { isMissing } from "./atomic-file.ts";

/** The network interfaces and namespaces of the host, as the kernel shows them in /sys and /proc. */
export interface HostInterfaces {
  readonly exists: (name: string) => boolean;
  /** All of them. */
  readonly names: () => ReadonlySet<string>;
  /**
   * Whether it may be one end of a veth pair. A bridge, an uplink or `lo` is its own link (iflink in
   * Documentation/ABI/testing/sysfs-class-net); one that cannot be seen from here may be anything.
   */
  readonly mayHavePeer: (name: string) => boolean;
  readonly isBridgePort: (name: string) => boolean;
  /** Whether the kernel speaks this family at all. */
  readonly hasFamily: (family: Family) => boolean;
  /** Whether a network namespace is still there: `unknown` where its folder cannot be seen from here. */
  readonly netnsState: (path: string) => "present" | "gone" | "unknown";
}

/** NSFS_MAGIC in linux/magic.h: what a bind-mounted namespace is; a file whose mount is gone is an ordinary one. */
const NSFS_MAGIC = 0x6e736673;

export const hostInterfaces: HostInterfaces = {
  exists: (name) => existsSync(`/sys/class/net/${name}`),
  names: () => new Set(existsSync("/sys/class/net") ? readdirSync("/sys/class/net") : []),
  mayHavePeer,
  isBridgePort: (name) => existsSync(`/sys/class/net/${name}/brport`),
  hasFamily: (family) => family === 4 || existsSync("/proc/net/if_inet6"),
  netnsState,
};

/** Whether both paths are one network namespace; false where one cannot be opened. */
export function isSameNetns(left: string, right: string): boolean {
  try {
    const [one, other] = [statSync(left), statSync(right)];
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false;
  }
}

/** Centiseconds since the machine started, from /proc/uptime (proc_uptime(5)). */
export function readUptime(): number {
  return Math.round(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 100);
}

function mayHavePeer(name: string): boolean {
  try {
    const read = (file: string): string => readFileSync(`/sys/class/net/${name}/${file}`, "utf8");
    return read("iflink") !== read("ifindex");
  } catch {
    return true;
  }
}

function netnsState(path: string): "present" | "gone" | "unknown" {
  try {
    return statfsSync(path).type === NSFS_MAGIC ? "present" : "gone";
  } catch (error) {
    // Without CAP_SYS_PTRACE or with a folder of somebody else it may be there all the same.
    if (!isMissing(error)) return "unknown";
    return existsSync(path.slice(0, path.lastIndexOf("/"))) ? "gone" : "unknown";
  }
}
