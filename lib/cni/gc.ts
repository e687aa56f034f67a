import { detach } from "./detach.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import type { PluginPorts } from "./ports.ts";
import type { NetworkRequest } from "./request.ts";
import { readValidAttachments } from "./valid-attachments.ts";

/**
 * GC: removes what this network has beyond the attachments that the runtime names. It goes on where one cannot be
 * removed, and says so at the end.
 *
 * @throws {CniError}
 */
export async function gc(request: NetworkRequest, ports: PluginPorts): Promise<void> {
  const valid = new Set(
    readValidAttachments(request.config).map(({ containerId, ifname }) => `${containerId}/${ifname}`),
  );
  await ports.withLock(async () => {
    const stale = ports.store
      .list()
      .attachments.filter(
        ({ network, containerId, ifname }) => network === request.name && !valid.has(`${containerId}/${ifname}`),
      );
    const left: string[] = [];
    for (const attachment of stale) {
      const { containerId } = attachment;
      if (await detach(attachment, ports))
        ports.log.info({ allocation: containerId, network: request.name }, "Collected");
      else left.push(containerId);
    }
    if (left.length > 0) {
      throw new CniError(`Cannot remove the rules of ${left.join(", ")}: the log says why`, {
        code: CNI_ERROR.tryAgainLater,
      });
    }
  });
}
