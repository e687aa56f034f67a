import type { HostInterfaces } from "../lib/host/host-interfaces.ts";
import type { Attachment } from "../lib/policy/attachment.ts";

/**
 * Tells which attachments have gone: those whose network namespace and interface have, where both are known, since a
 * watcher in a container of its own may not see the host's namespaces. An interface that a container in a namespace
 * that is there has by now is nobody else's, whatever its name was before.
 */
export function hasGone(
  attachments: readonly Attachment[],
  interfaces: Pick<HostInterfaces, "names" | "netnsState">,
): (attachment: Attachment) => boolean {
  const present = interfaces.names();
  const byInterface = Map.groupBy(attachments, ({ hostInterface }) => hostInterface?.name);
  const isAnothers = (name: string, attachment: Attachment): boolean =>
    (byInterface.get(name) ?? []).some(
      (other) => other.chain !== attachment.chain && interfaces.netnsState(other.netns) === "present",
    );
  return (attachment) => {
    const name = attachment.hostInterface?.name;
    const isThere = name !== undefined && present.has(name) && !isAnothers(name, attachment);
    return !isThere && interfaces.netnsState(attachment.netns) === "gone";
  };
}
