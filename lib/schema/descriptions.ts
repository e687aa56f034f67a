/** What an editor shows beside a key, and what it offers for its value. */
export interface KeyNotes {
  readonly description: string;
  readonly examples?: readonly unknown[];
}

/**
 * Of every key of a rule, a rule set and the plugin's object: no two of them share a name. Apart from the schemas, which
 * the plugin loads at each start.
 */
export const KEY_NOTES: Readonly<Record<string, KeyNotes>> = {
  host: {
    description:
      "Destinations: an IPv4 or IPv6 address or CIDR, or a list of them. Absent: any address of both families. Names are not resolved.",
    examples: ["10.1.2.3", "10.2.0.0/16", "2001:db8::/64"],
  },
  proto: {
    description: "Protocol, in any case. Absent: all.",
    examples: ["tcp", "udp", "sctp", "icmp", "icmpv6", "all"],
  },
  port: {
    description: "Destination ports: one, or ports and ranges. Only with proto tcp, udp or sctp. Absent: any.",
    examples: [443, "80,443", "8000-8100"],
  },
  action: { description: "What becomes of a connection, in any case.", examples: ["ACCEPT", "DROP", "REJECT"] },
  comment: { description: "Free text, for people. It never reaches the kernel." },

  $schema: { description: "The address of this JSON Schema, for editors. It says nothing about the rules." },
  rules: {
    description:
      "The rules. Those that DROP or REJECT are asked before the conflist's own, those that ACCEPT after them; keys in KV have no order.",
  },
  mode: {
    description: "enforce: the rules decide. audit: they are counted and logged, and decide nothing.",
  },
  expiresAt: {
    description: "RFC 3339 with Z or an offset. From then on the rule set no longer applies, on any node.",
    examples: ["2026-12-31T18:00:00Z"],
  },
  description: { description: "What the rule set is for." },

  chainName: { description: "The main chain.", examples: ["CNI-OUTBOUND"] },
  mainChainName: { description: "The same as chainName: what the Go plugin read." },
  defaultAction: {
    description: "What becomes of a connection that no rule decides, in any case. Absent: DROP.",
    examples: ["DROP", "REJECT", "ACCEPT"],
  },
  outboundRules: { description: "Static rules, in their order: the first that matches decides." },
  runtimeRules: { description: "Runtime rules that hold while KV has no rule set for this network's scope." },
  hostTraffic: {
    description: "filter: traffic to the host's own addresses obeys the rules too. allow: it is left alone.",
  },
  jobRules: { description: "What becomes of the rules that a job passes in outbound.additional_rules." },
  logDenied: { description: "Whether the kernel logs what the default action stops, rate limited." },
  backend: { description: "What the rules are put into the kernel with. nftables is not built yet." },
  logging: { description: "JSON lines in outbound-<date>.log. Absent: off." },
  enable: { description: "Whether it logs." },
  directory: { description: "An absolute path.", examples: ["/var/log/cni"] },
  stateDir: { description: "Where the plugin keeps attachments, for the watcher: an absolute path." },
  cacheDir: { description: "Where the last rules from KV are kept: an absolute path." },
};
