import { networkInterfaces } from "node:os";
import { parseAddress } from "../policy/address.ts";

/** The addresses of this host's interfaces, canonical: what a container's packet to the host itself is sent to. */
export function readHostAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => parseAddress(address.replace(/%.*/, "")).address));
}
