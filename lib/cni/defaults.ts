/** What holds where the plugin's configuration says nothing. */
export const DEFAULTS = {
  mainChain: "CNI-OUTBOUND",
  defaultAction: "DROP",
  hostTraffic: "filter",
  jobRules: "accept",
  backend: "iptables",
  logDirectory: "/var/log/cni",
  stateDir: "/run/cni-outbound",
  cacheDir: "/var/lib/cni-outbound",
} as const;

/** A directory the configuration may name: the plugin's working directory is the agent's, so never a relative one. */
export const ABSOLUTE_PATH = /^\/[^\0]*$/;
