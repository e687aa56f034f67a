import type { Iptables } from "../host/iptables.ts";
import type { HostInterfaces } from "../host/host-interfaces.ts";
import { parseAddress, type Family } from "../policy/address.ts";
import type { Attachment } from "../policy/attachment.ts";
import { CNI_ERROR, CniError } from "./errors.ts";

export const FAMILIES: readonly Family[] = [4, 6];

/**
 * The families in which an attachment has to be filtered: those it has an address in, and any other that the kernel
 * speaks, because a container can always give itself an address.
 *
 * @throws {CniError} where it has an address in a family whose programs are missing: no family stays unfiltered
 */
export function familiesToFilter(
  { addresses }: Pick<Attachment, "addresses">,
  { iptables, interfaces }: { readonly iptables: Pick<Iptables, "has">; readonly interfaces: HostInterfaces },
): readonly Family[] {
  return FAMILIES.filter((family) => {
    if (iptables.has(family)) return interfaces.hasFamily(family);
    const unfiltered = addresses.find((address) => parseAddress(address).family === family);
    if (unfiltered === undefined) return false;
    const program = family === 4 ? "iptables-restore" : "ip6tables-restore";
    throw new CniError(`Cannot filter IPv${family}: ${program} is not installed and the container has ${unfiltered}`, {
      code: CNI_ERROR.pluginNotAvailable,
    });
  });
}
