import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { isMissing } from "./atomic-file.ts";

/** A setting below /proc/sys, `net/bridge/bridge-nf-call-iptables`; undefined where the kernel has none of that name. */
export function readKernelSetting(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, "utf8").trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** @throws the system's error where the kernel's log cannot be opened */
export function openKernelLogOnce(): true {
  closeSync(openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK));
  return true;
}
