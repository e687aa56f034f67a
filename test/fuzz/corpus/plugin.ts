import type { Finding } from "../support/campaign.ts";
import type { PluginCase } from "../support/plugin-cases.ts";

const WIDER = { runtimeRules: [{ action: "ACCEPT" }] };

export const PLUGIN_CORPUS: readonly Finding<PluginCase>[] = [
  {
    was: "a forged job's name with 12,000 ancestors filled the memory",
    input: addWith({ args: `NOMAD_NAMESPACE=default;NOMAD_JOB_ID=web${"/dispatch-".repeat(12_000)}` }),
  },
  { was: "an interface by the name of an option", input: addWith({ interfaceName: "-j" }) },
  {
    was: "a repeated ADD that the kernel refused in IPv4 had opened IPv6",
    input: { ...twice(addWith({}), addWith({ more: WIDER })), refused: [2, 5, 7, 8] },
  },
  {
    was: "a repeated ADD that the kernel refused in IPv4 had opened IPv6, and it refuses to go back",
    input: { ...twice(addWith({}), addWith({ more: WIDER })), refused: [2, 5, 7, 8, 9, 10, 11] },
  },
];

function addWith({
  args = "",
  interfaceName = "veth1",
  more = {},
}: {
  readonly args?: string;
  readonly interfaceName?: string;
  readonly more?: Readonly<Record<string, unknown>>;
}): PluginCase {
  const env = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "alloc-1",
    CNI_NETNS: "/var/run/netns/x",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
    CNI_ARGS: args,
  };
  const prevResult = {
    interfaces: [{ name: interfaceName }],
    ips: [{ address: "10.88.0.1/16" }, { address: "fd00:88::1/64" }],
  };
  const stdin = JSON.stringify({ cniVersion: "1.0.0", name: "egress", type: "outbound", prevResult, ...more });
  return {
    requests: [{ env, stdin }],
    runtimeRules: { node: "n1", ruleSets: [] },
    families: [4, 6],
    refused: [],
    phase: 0,
  };
}

function twice(one: PluginCase, other: PluginCase): PluginCase {
  return { ...one, requests: [...one.requests, ...other.requests] };
}
