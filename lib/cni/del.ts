import { detach } from "./detach.ts";
import type { PluginPorts } from "./ports.ts";
import type { ContainerRequest } from "./request.ts";

/**
 * DEL: comes without CNI_ARGS, perhaps without prevResult or with an old one, more than once, and after a failed
 * ADD, so it goes by the container's identity alone. It does not fail: Nomad would leave the rest of the chain (port
 * mappings, addresses) in place and not come back. What the kernel refuses to give up stays on record and is removed
 * by the watcher, or by `outbound reconcile`.
 */
export async function del(request: ContainerRequest, ports: PluginPorts): Promise<void> {
  const id = { network: request.name, containerId: request.containerId, ifname: request.ifname };
  const { log, store } = ports;
  await ports.withLock(async () => {
    const attachment = store.find(id) ?? { chain: store.chainFor(id) };
    const isGone = await detach(attachment, ports);
    if (isGone) log.info({ allocation: request.containerId, network: request.name }, "Detached");
  });
}
