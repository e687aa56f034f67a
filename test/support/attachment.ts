import { attachmentChainNames } from "../../lib/netfilter/names.ts";
import type { Attachment, StaticPolicy } from "../../lib/policy/attachment.ts";

export interface AttachmentOverrides extends Partial<Omit<Attachment, "policy">> {
  readonly policy?: Partial<StaticPolicy>;
}

/** A container of job web, group app, that denies all by default, with one address of each family on a bridge. */
export function attachmentOf({ policy, ...overrides }: AttachmentOverrides = {}): Attachment {
  const { network = "egress", containerId = "8623ac7a-28ba-20c3-24a6-e615a39bbbf3", ifname = "eth0" } = overrides;
  return {
    network,
    containerId,
    ifname,
    chain: attachmentChainNames({ network, containerId, ifname })[0],
    addresses: ["10.88.0.2", "fd00:88::2"],
    hostInterface: { name: "veth0a1b2c3d", isBridgePort: true },
    netns: "/var/run/netns/8623ac7a",
    identity: { region: "global", namespace: "default", job: "web", group: "app" },
    policy: {
      mainChain: "CNI-OUTBOUND",
      defaultAction: "DROP",
      staticRules: [],
      initialRules: [],
      hostTraffic: "filter",
      logDenied: false,
      ...policy,
    },
    jobRules: [],
    addedAt: "2026-11-24T06:00:00.000Z",
    sequence: 1000,
    ...overrides,
  };
}
