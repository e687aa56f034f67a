import { readFileSync, writeFileSync } from "node:fs";

const SETTING = "/proc/sys/net/netfilter/nf_log_all_netns";

/**
 * Lets rules in network namespaces write to the kernel's log, which only the host's own may otherwise
 * (Documentation/networking/nf_conntrack-sysctl.rst has its neighbours). Gives what puts the old setting back.
 */
export function logFromAllNamespaces(): () => void {
  const before = readFileSync(SETTING, "utf8");
  writeFileSync(SETTING, "1");
  return () => writeFileSync(SETTING, before);
}
