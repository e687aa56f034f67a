import { readFileSync, writeFileSync } from "node:fs";

const SETTING = "/proc/sys/net/netfilter/nf_log_all_netns";

/**
 * Lets rules in network namespaces write to the kernel's log, or with "0" only the host's own, as it is by default
 * (Documentation/networking/netfilter-sysctl.rst). Gives what puts the old setting back.
 */
export function logFromAllNamespaces(value: "0" | "1" = "1"): () => void {
  const before = readFileSync(SETTING, "utf8");
  writeFileSync(SETTING, value);
  return () => writeFileSync(SETTING, before);
}
