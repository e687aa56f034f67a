import type { Attachment } from "../policy/attachment.ts";
import { show } from "../policy/show.ts";
import { describeIdentity } from "./describe.ts";

const SHOWN_CANDIDATES = 10;

/**
 * The attachments of the one allocation whose id is `id` or starts with it, by network and interface. A whole id wins
 * over one that it is the start of.
 *
 * @throws Error that lists the candidates where the prefix fits several allocations, or says that it fits none
 */
export function findAllocation(id: string, attachments: readonly Attachment[]): readonly Attachment[] {
  if (id === "") throw new Error("Cannot find allocation: the id is empty, expected the start of one");
  const whole = attachments.filter(({ containerId }) => containerId === id);
  const matching = whole.length > 0 ? whole : attachments.filter(({ containerId }) => containerId.startsWith(id));
  const ids = [...new Set(matching.map(({ containerId }) => containerId))].toSorted();
  if (ids.length === 0) {
    throw new Error(`Cannot find allocation: no id starts with ${show(id)} among ${attachments.length} attachments`);
  }
  if (ids.length > 1) {
    const lines = ids.slice(0, SHOWN_CANDIDATES).map((each) => `  ${each}  ${identityOf(each, matching)}`);
    const more = ids.length > SHOWN_CANDIDATES ? [`  and ${ids.length - SHOWN_CANDIDATES} more`] : [];
    throw new Error([`Cannot find allocation: ${show(id)} fits ${ids.length}:`, ...lines, ...more].join("\n"));
  }
  return matching.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
}

function identityOf(id: string, attachments: readonly Attachment[]): string {
  return describeIdentity(attachments.find(({ containerId }) => containerId === id)?.identity ?? {});
}

function orderOf({ network, ifname, chain }: Attachment): string {
  return [network, ifname, chain].join("\0");
}
