import type { Finding } from "../support/campaign.ts";
import type { PluginCase } from "../support/plugin-cases.ts";

export const PLUGIN_CORPUS: readonly Finding<PluginCase>[] = [
  {
    was: "a forged job's name with 12,000 ancestors filled the memory",
    input: addWith({ args: `NOMAD_NAMESPACE=default;NOMAD_JOB_ID=web${"/dispatch-".repeat(12_000)}` }),
  },
  { was: "an interface by the name of an option", input: addWith({ interfaceName: "-j" }) },
];

function addWith({
  args = "",
  interfaceName = "veth1",
}: {
  readonly args?: string;
  readonly interfaceName?: string;
}): PluginCase {
  const env = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "alloc-1",
    CNI_NETNS: "/var/run/netns/x",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/opt/cni/bin",
    CNI_ARGS: args,
  };
  const prevResult = { interfaces: [{ name: interfaceName }], ips: [{ address: "10.88.0.1/16" }] };
  const stdin = JSON.stringify({ cniVersion: "1.0.0", name: "egress", type: "outbound", prevResult });
  return {
    requests: [{ env, stdin }],
    runtimeRules: { node: "n1", ruleSets: [] },
    families: [4, 6],
    refused: [],
    phase: 0,
  };
}
