import type { RulesetReader } from "../../lib/host/iptables.ts";
import type { Log } from "../../lib/host/log.ts";
import type { KernelListings } from "../../lib/inspect/kernel-listings.ts";
import { indexListing } from "../../lib/netfilter/listing-index.ts";
import type { Family } from "../../lib/policy/address.ts";
import { createSharedReading, type SharedReading, type SharedReadingOptions } from "./shared-reading.ts";

export interface KernelReadingPorts extends Pick<SharedReadingOptions, "clock" | "signal"> {
  readonly iptables: Pick<RulesetReader, "save">;
  /** Those that this host has. */
  readonly families: readonly Family[];
  readonly log: Log;
}

export interface KernelReading {
  readonly listings: KernelListings;
  /** When it was begun, on the wall clock. */
  readonly atMs: number;
}

const FRESH_MS = 2_000;

/** What the kernel has and has counted, at most two seconds ago, or ten times as long ago as it takes to list. It does not wait for the node's lock. */
export function createKernelReading({
  iptables,
  families,
  log,
  ...ports
}: KernelReadingPorts): SharedReading<KernelReading> {
  const failing = new Set<Family>();
  return createSharedReading(
    async () => {
      const atMs = ports.clock.nowMs();
      const [ipv4, ipv6] = await Promise.all([read(4), read(6)]);
      return { listings: { 4: ipv4, 6: ipv6 }, atMs };
    },
    { ...ports, freshMs: FRESH_MS },
  );

  async function read(family: Family): Promise<KernelListings[4]> {
    if (!families.includes(family)) return "absent";
    try {
      const listing = await iptables.save(family, { withCounters: true });
      const index = await indexListing(listing, () => ports.clock.sleep(0, ports.signal));
      failing.delete(family);
      return index;
    } catch (error) {
      if (!failing.has(family))
        log.warn({ family, error: String(error) }, "Cannot read the kernel's chains for a page");
      failing.add(family);
      return "unreadable";
    }
  }
}
