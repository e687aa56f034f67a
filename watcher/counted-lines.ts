import { isAttachmentChain, isOwnChainName } from "../lib/netfilter/names.ts";

/** A default action is at most two rules: `REJECT` tells TCP by a reset and everything else by ICMP. */
const LAST_RULES = 2;

/**
 * The lines of `iptables-save --counters` that hold counters of rules of ours: of an attachment's own chain, of which
 * a node has hundreds, the last ones only. To take all others apart would hold up the watcher for much longer.
 */
export function countedLines(listing: string): string {
  const lines: string[] = [];
  let chain = "";
  let firstOfChain = 0;
  for (const line of listing.split("\n")) {
    const start = line.startsWith("[") ? line.indexOf("] -A ") + 5 : 0;
    if (start < 5) continue;
    const name = line.slice(start, line.indexOf(" ", start));
    if (!isOwnChainName(name)) continue;
    if (name !== chain) {
      chain = name;
      firstOfChain = lines.length;
    }
    lines.push(line);
    if (isAttachmentChain(name) && lines.length - firstOfChain > LAST_RULES) lines.splice(firstOfChain, 1);
  }
  return lines.join("\n");
}
