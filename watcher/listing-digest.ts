import { createHash } from "node:crypto";

/**
 * Tells two listings apart by their chains and rules. Comments, which hold the time, and built-in chains, with the
 * packets that their policy decided, are left out: they stand before the rules and after them, and to look through
 * megabytes of rules for them would cost more than all else here.
 */
export function digestListing(listing: string): string {
  const rulesStart = listing.indexOf("\n-A ");
  const end = listing.lastIndexOf("\nCOMMIT");
  const head = listing.slice(0, rulesStart === -1 ? end : rulesStart);
  const rules = rulesStart === -1 ? "" : listing.slice(rulesStart, end);
  const chains = head.replaceAll(/^(?:#|:(?:INPUT|FORWARD|OUTPUT) ).*$/gm, "");
  return createHash("sha256").update(chains).update(rules).digest("hex");
}
