import { createAttachmentStore } from "../../../lib/host/attachment-store.ts";
import { silentLog } from "../../../lib/host/log.ts";
import type { JsonObject } from "../json.ts";
import type { ClientNode } from "../network-namespace.ts";
import { knowRuntimeRules } from "../runtime-rules.ts";
import { savedRules } from "../saved-rules.ts";
import type { Conflist } from "./conflist.ts";
import { nomadArgs, type NomadIdentity } from "./nomad-args.ts";
import { chainOf, outboundPath, runOutbound } from "./outbound.ts";

/** What our plugin is told of a container that is nothing but this: addresses and an interface that nothing has. */
export interface SyntheticContainer {
  readonly containerId: string;
  /** One that exists, so that a watcher does not take the container for one that has gone. */
  readonly netns: string;
  readonly args: string;
  readonly prevResult: JsonObject;
}

/** `number` makes its id, its addresses and its interface. */
export function syntheticContainer(node: ClientNode, number: number, identity: NomadIdentity): SyntheticContainer {
  const containerId = syntheticId(number);
  const netns = node.outside.path;
  return {
    containerId,
    netns,
    args: nomadArgs({ allocId: containerId, identity, args: {} }),
    prevResult: {
      cniVersion: "1.0.0",
      interfaces: [
        { name: interfaceOf(number), mac: "02:00:00:00:00:01" },
        { name: "eth0", mac: "02:00:00:00:00:02", sandbox: netns },
      ],
      ips: addressesOf(number).map((address) => ({
        interface: 1,
        address: `${address}/${address.includes(":") ? 64 : 16}`,
      })),
    },
  };
}

export interface SyntheticOptions {
  readonly conflist: Conflist;
  /** Numbers of the containers, from `first` up to and without `end`. */
  readonly first: number;
  readonly end: number;
  readonly identityOf: (number: number) => NomadIdentity;
}

/**
 * Attaches containers of which only the node's state knows: the first by the plugin's own ADD, the others by copies of
 * the record that this left; then one `outbound reconcile` makes their chains. For nodes on which no watcher runs.
 *
 * @throws Error unless the kernel then holds a chain for each attachment of the node, in both families
 */
export async function attachSynthetic(node: ClientNode, options: SyntheticOptions): Promise<void> {
  const { conflist, first, end, identityOf } = options;
  if (first >= end) return;
  const store = createAttachmentStore(node.stateDir, { log: silentLog });
  const { prevResult, ...container } = syntheticContainer(node, first, identityOf(first));
  const { exitCode, stdout } = await runOutbound(node, { conflist, command: "ADD", prevResult, ...container });
  const template = store.find({ network: conflist.name, containerId: container.containerId, ifname: "eth0" });
  if (exitCode !== 0 || !template) throw new Error(`Cannot attach ${container.containerId}: ${stdout}`);
  for (let number = first + 1; number < end; number++) {
    const containerId = syntheticId(number);
    store.write({
      ...template,
      containerId,
      chain: chainOf(conflist, containerId),
      addresses: addressesOf(number),
      hostInterface: { name: interfaceOf(number), isBridgePort: false },
      identity: identityOf(number),
      sequence: template.sequence + number - first,
    });
  }
  // A pass that does not know the rules in KV changes only what it must.
  knowRuntimeRules(node, {});
  await node.exec([outboundPath, "reconcile", "--state-dir", node.stateDir, "--cache-dir", node.cacheDir]);
  await expectChains(node, store.list().attachments.length);
}

/** @throws Error unless the kernel holds this many attachments' chains in each family */
async function expectChains(node: ClientNode, attachments: number): Promise<void> {
  const chains = (await savedRules(node)).match(/^:CNI-OUT-[0-9a-f]{20} /gm)?.length ?? 0;
  if (chains === 2 * attachments) return;
  throw new Error(`Cannot go on: ${attachments} attachments have ${chains} chains, expected one in each family`);
}

function syntheticId(number: number): string {
  return `00000000-0000-0000-0000-${number.toString().padStart(12, "0")}`;
}

function interfaceOf(number: number): string {
  return `fake${number}`;
}

function addressesOf(number: number): readonly string[] {
  return [`10.77.${number >> 8}.${number & 255}`, `fd00:77::${(number + 1).toString(16)}`];
}
