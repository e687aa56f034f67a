import { FAMILIES } from "./families.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import type { PluginPorts } from "./ports.ts";

/**
 * STATUS: good unless ADD cannot succeed. Nomad asks before DEL too and gives up on a bad answer, so it is no place
 * for doubts.
 *
 * @throws {CniError} code 50 where no family can be filtered
 */
export async function status({ iptables, interfaces }: PluginPorts): Promise<void> {
  const families = FAMILIES.filter((family) => interfaces.hasFamily(family) && iptables.has(family));
  if (families.length === 0) {
    throw new CniError("Cannot filter: neither iptables-restore nor ip6tables-restore is installed", {
      code: CNI_ERROR.pluginNotAvailable,
    });
  }
  const attempts = await Promise.allSettled(families.map((family) => iptables.list(family, ["FORWARD"])));
  const failure = attempts.find((attempt) => attempt.status === "rejected");
  if (!failure) return;
  throw new CniError(`Cannot filter: ${String(failure.reason)}`, { code: CNI_ERROR.pluginNotAvailable });
}
