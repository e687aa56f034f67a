import type { Attachment, Identity } from "../policy/attachment.ts";
import { isIdentified } from "../policy/identity.ts";
import { problemOf, type IdentityProblem } from "../policy/identity-problem.ts";
import { wrap } from "../rules/wrap.ts";
import { describeIdentity } from "./describe.ts";
import { chainStates, type ChainState, type ChainStates, type KernelTables } from "./kernel.ts";
import { toPrintable } from "./printable.ts";
import { alignColumns, elide } from "./table.ts";

/** `outbound list --json`. */
export interface AttachmentList {
  /** By namespace, job and group, then allocation, network and interface. */
  readonly attachments: readonly ListedAttachment[];
  /** Chains whose record cannot be read. */
  readonly unreadable: readonly string[];
}

export interface ListedAttachment {
  readonly allocation: string;
  readonly identity: Identity;
  /** Absent where all of the identity is known that rules depend on. */
  readonly unidentified?: UnknownIdentity;
  readonly network: string;
  readonly ifname: string;
  readonly addresses: readonly string[];
  readonly chain: string;
  readonly mainChain: string;
  readonly kernel: ChainStates;
  readonly addedAt: string;
}

/** Rule sets of its namespace, job, group and id do not apply. */
export interface UnknownIdentity {
  /** RFC 3339. */
  readonly since: string;
  /** Why, as the watcher says; absent where it has not said. */
  readonly problem?: string;
}

export function listAttachments(attachments: readonly Attachment[], options: ListOptions): AttachmentList {
  const { unreadable } = options;
  return {
    attachments: attachments
      .toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
      .map((attachment) => listAttachment(attachment, options)),
    unreadable: [...unreadable].toSorted(),
  };
}

/** What every command says of an attachment. */
export function listAttachment(
  attachment: Attachment,
  { kernel, identityProblems = [] }: ListedOptions,
): ListedAttachment {
  const { containerId, identity, network, ifname, addresses, chain, policy, addedAt } = attachment;
  return {
    allocation: containerId,
    identity,
    ...(!isIdentified(identity) && { unidentified: describeUnknown(attachment, identityProblems) }),
    network,
    ifname,
    addresses,
    chain,
    mainChain: policy.mainChain,
    kernel: chainStates(attachment, kernel),
    addedAt,
  };
}

function describeUnknown({ containerId, addedAt }: Attachment, problems: readonly IdentityProblem[]): UnknownIdentity {
  const problem = problemOf(problems, containerId);
  return { since: addedAt, ...(problem !== undefined && { problem }) };
}

/** `identity not known since 2026-11-24T06:00:00.000Z: …`. */
export function formatUnknown({ since, problem }: UnknownIdentity): string {
  return `identity not known since ${since}${problem === undefined ? "" : `: ${toPrintable(problem)}`}`;
}

export interface ListedOptions {
  readonly kernel: KernelTables;
  /** What the watcher says of attachments whose identity is not known. */
  readonly identityProblems?: readonly IdentityProblem[];
}

export interface ListOptions extends ListedOptions {
  readonly unreadable: ReadonlySet<string>;
}

/** A table of two lines an attachment: an IPv6 address and a chain's name leave no room for more in 80 columns. */
export function formatAttachmentList({ attachments, unreadable }: AttachmentList): string {
  const notes = unreadable.map((chain) => `The record of ${chain} cannot be read: its chain stays as it is until DEL`);
  if (attachments.length === 0) return ["No container on this node is attached with outbound", ...notes].join("\n");
  const firstLines = alignColumns([HEADING, ...attachments.map(cells)]);
  const [heading = "", ...lines] = firstLines;
  return [
    heading,
    inset("CHAIN", ["ADDRESSES"]),
    ...attachments.flatMap(({ chain, addresses, unidentified }, index) => [
      lines[index] ?? "",
      inset(chain, addresses),
      ...(unidentified ? [wrap(`${" ".repeat(10)}${formatUnknown(unidentified)}`, { indent: 12 })] : []),
    ]),
    ...notes,
  ].join("\n");
}

const HEADING = ["ALLOC   ", "NAMESPACE/JOB/GROUP", "NETWORK", "IPV4", "IPV6"];

/** All of 80 columns but the allocation's, the two states' (`MISSING` at most) and the spaces between. */
const IDENTITY_WIDTH = 30;
const NETWORK_WIDTH = 18;

const STATE_CELL: Readonly<Record<ChainState, string>> = {
  present: "yes",
  empty: "EMPTY",
  missing: "MISSING",
  unused: "-",
  unknown: "?",
};

function cells({ allocation, identity, network, kernel }: ListedAttachment): readonly string[] {
  return [
    allocation.slice(0, 8),
    elide(describeIdentity(identity), IDENTITY_WIDTH),
    elide(network, NETWORK_WIDTH),
    STATE_CELL[kernel.ipv4],
    STATE_CELL[kernel.ipv6],
  ];
}

function inset(chain: string, addresses: readonly string[]): string {
  const [first = "", ...others] = addresses;
  return [
    `${" ".repeat(10)}${chain.padEnd(28)}  ${first}`.trimEnd(),
    ...others.map((each) => " ".repeat(40) + each),
  ].join("\n");
}

function orderOf({ identity, containerId, network, ifname, chain }: Attachment): string {
  const { namespace = "", job = "", group = "" } = identity;
  return [namespace, job, group, containerId, network, ifname, chain].join("\0");
}
