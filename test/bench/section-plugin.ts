import { join } from "node:path";
import { attachSynthetic, syntheticContainer } from "../support/cni/synthetic.ts";
import { chainOf } from "../support/cni/outbound.ts";
import type { ClientNode } from "../support/network-namespace.ts";
import { type Variant, variants } from "../support/variant.ts";
import type { PluginCase } from "./options.ts";
import { floor, measured, type Measurement, type Section } from "./section.ts";
import { addFirewallChain, type Bench, benchConflist, identityOf } from "./stage.ts";
import { medianOf } from "./statistics.ts";
import { runWorker } from "./worker-job.ts";
import type { PluginFound, PluginJob } from "./worker-plugin.ts";

/** What the contract grants a verb on top of the start of its runtime and the iptables calls that it needs. */
const OWN_WORK_MS = 5;

export async function measurePlugin(bench: Bench): Promise<Section> {
  const measurements: Measurement[] = [];
  for (const variant of variants) {
    for (const pluginCase of bench.sizes.pluginCases) {
      bench.tell(`plugin: ${describe(variant, pluginCase)}`);
      const found = await bench.withNode(variant, (node) => measureCase(bench, node, pluginCase));
      measurements.push(...toMeasurements(describe(variant, pluginCase), found));
    }
  }
  return {
    name: "plugin",
    title: "ADD, CHECK and DEL",
    how:
      "One run of the plugin alone, from process start to exit, for a container with one IPv4 and one IPv6 address whose " +
      "host interface does not exist; static rules hold in both families. The floor beside each is what it needs of " +
      "iptables: the last changing call of each family (for CHECK all calls), recorded from a real run and made again " +
      "with the same text, both families side by side. Others are attachments with the same conflist, made by copies of " +
      "a record and one `outbound reconcile`. With 0 others the plugin is the first on its node and the last to leave: " +
      "it makes and removes what attachments share.",
    measurements,
  };
}

async function measureCase(bench: Bench, node: ClientNode, { rules, others }: PluginCase): Promise<PluginFound> {
  const conflist = benchConflist(node, { rules });
  await addFirewallChain(node);
  await attachSynthetic(node, { conflist, first: 1, end: 1 + others, identityOf });
  const { containerId, netns, args, prevResult } = syntheticContainer(node, 0, identityOf(0));
  const plugin = conflist.plugins.find(({ type }) => type === "outbound");
  const { name, cniVersion } = conflist;
  const job: PluginJob = {
    variant: node.backend,
    rounds: bench.sizes.pluginRounds,
    outbound: bench.executables.outbound,
    bare: bench.executables.bareWriteSync,
    config: JSON.stringify({ ...plugin, name, cniVersion, prevResult }),
    env: {
      PATH: node.env["PATH"] ?? "",
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: "eth0",
      CNI_ARGS: args,
      CNI_PATH: node.pluginDirs.join(":"),
    },
    chain: chainOf(conflist, containerId),
    directory: join(node.directory, "recorded"),
  };
  return runWorker<PluginFound>(node, { script: join(import.meta.dirname, "worker-plugin.ts"), job });
}

function toMeasurements(place: string, { bare, verbs }: PluginFound): readonly Measurement[] {
  const verbMeasurements = (["ADD", "CHECK", "DEL"] as const).flatMap((verb) => {
    const { plugin, calls, processes } = verbs[verb];
    const parts = [medianOf(bare), medianOf(calls), OWN_WORK_MS];
    const limit = parts.reduce((sum, part) => sum + part, 0);
    const why = parts.map((part) => part.toFixed(1)).join(" + ");
    return [
      floor(`iptables calls of ${verb}, ${place}`, calls),
      measured(`${verb}, ${place}`, plugin, {
        targets: [{ of: "median", bound: "≤", limit, why }],
        note: `${processes} iptables processes`,
      }),
    ];
  });
  return [floor(`bare start, ${place}`, bare), ...verbMeasurements];
}

function describe(variant: Variant, { rules, others }: PluginCase): string {
  return `${rules} rules, ${others} others, ${variant}`;
}
