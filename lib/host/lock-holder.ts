import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A socket that is listened on (__SO_ACCEPTCON in linux/net.h). */
const LISTENS = "00010000";

/**
 * Whether a process of this network namespace holds a lock of `withLock`, found out without touching it.
 *
 * @throws the system's error
 */
export function isLockHeld(name: string): boolean {
  return findInode(name) !== undefined;
}

/**
 * This process's descriptor of a lock that it holds. A child that inherits it holds the lock too, until it has ended
 * or closed it. Undefined where /proc does not tell.
 */
export function findLockDescriptor(name: string): number | undefined {
  try {
    const inode = findInode(name);
    if (inode === undefined) return undefined;
    return readdirSync(OWN_DESCRIPTORS)
      .map(Number)
      .find((descriptor) => linkOf(descriptor) === `socket:[${inode}]`);
  } catch {
    return undefined;
  }
}

const OWN_DESCRIPTORS = "/proc/self/fd";

/** The kernel lists abstract sockets with @ in place of each zero byte (proc_net_unix in net/unix/af_unix.c). */
function findInode(name: string): string | undefined {
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .filter((line) => line.includes(name))
    .map((line) => line.trim().split(/\s+/))
    .find(([, , , flags, , , , path = ""]) => flags === LISTENS && path.replace(/@+$/, "") === `@${name}`)?.[6];
}

/** The one that lists them is closed by now. */
function linkOf(descriptor: number): string {
  try {
    return readlinkSync(`${OWN_DESCRIPTORS}/${descriptor}`);
  } catch {
    return "";
  }
}
