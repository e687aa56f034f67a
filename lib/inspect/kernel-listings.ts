import type { ListingIndex } from "../netfilter/listing-index.ts";
import type { ActualRuleset } from "../netfilter/parse-ruleset.ts";
import type { KernelTables } from "./kernel.ts";

/** What was listed of the kernel, not taken apart yet; the words are those of `KernelTables`. */
export type KernelListings = Readonly<Record<keyof KernelTables, ListingIndex | "absent" | "unreadable">>;

/** What is wanted of each family's table. */
export function tablesOf(listings: KernelListings, take: (index: ListingIndex) => ActualRuleset): KernelTables {
  const of = (listing: KernelListings[4]): KernelTables[4] => (typeof listing === "string" ? listing : take(listing));
  return { 4: of(listings[4]), 6: of(listings[6]) };
}
