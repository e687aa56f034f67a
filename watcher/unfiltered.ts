import type { Log } from "../lib/host/log.ts";
import { parseAddress, type Family } from "../lib/policy/address.ts";
import type { Attachment } from "../lib/policy/attachment.ts";

/** A running container in a family whose programs have gone: its rules stay as they are, and follow nothing. */
export interface Unfiltered {
  readonly family: Family;
  readonly containerId: string;
  readonly address: string;
}

/** The first of them; `families` are those whose programs are missing. */
export function findUnfiltered(attachments: readonly Addressed[], families: readonly Family[]): Unfiltered | undefined {
  if (families.length === 0) return undefined;
  for (const attachment of attachments) {
    const unfiltered = unfilteredIn(attachment, families);
    if (unfiltered) return unfiltered;
  }
  return undefined;
}

/** How many attachments there are such. */
export function countUnfiltered(attachments: readonly Addressed[], families: readonly Family[]): number {
  if (families.length === 0) return 0;
  return attachments.filter((attachment) => unfilteredIn(attachment, families) !== undefined).length;
}

type Addressed = Pick<Attachment, "containerId" | "addresses">;

function unfilteredIn({ containerId, addresses }: Addressed, families: readonly Family[]): Unfiltered | undefined {
  for (const address of addresses) {
    const { family } = parseAddress(address);
    if (families.includes(family)) return { family, containerId, address };
  }
  return undefined;
}

/** Tells of one when that changes, and remembers it for whoever asks how it stands with the watcher. */
export function createUnfilteredNotice(log: Log): UnfilteredNotice {
  let problem: string | undefined;
  return {
    tell(unfiltered) {
      const now = unfiltered && describe(unfiltered);
      if (now === problem) return;
      problem = now;
      if (problem === undefined) log.info({}, "All running containers' rules can be kept up to date again");
      else log.error({ problem }, "A running container's rules cannot be kept up to date");
    },
    state: () => (problem === undefined ? {} : { problem }),
  };
}

export interface UnfilteredNotice {
  readonly tell: (unfiltered: Unfiltered | undefined) => void;
  readonly state: () => { readonly problem?: string };
}

function describe({ family, containerId, address }: Unfiltered): string {
  const program = family === 4 ? "iptables-restore" : "ip6tables-restore";
  return `Cannot filter IPv${family}: ${program} is not installed and ${containerId} has ${address}`;
}
