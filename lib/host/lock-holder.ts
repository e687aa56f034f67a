import { readFileSync } from "node:fs";

/** A socket that is listened on (__SO_ACCEPTCON in linux/net.h). */
const LISTENS = "00010000";

/**
 * Whether a process of this network namespace holds a lock of `withLock`, found out without touching it: the kernel
 * lists abstract sockets with @ in place of each zero byte (proc_net_unix in net/unix/af_unix.c).
 *
 * @throws the system's error
 */
export function isLockHeld(name: string): boolean {
  return readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .some(([, , , flags, , , , path = ""]) => flags === LISTENS && path.replace(/@+$/, "") === `@${name}`);
}
