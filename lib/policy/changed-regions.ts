import { formatCidr, type Cidr, type Family } from "./address.ts";
import type { BlockNode } from "./block-tree.ts";
import type { Decision, Source } from "./evaluate.ts";
import { formatPorts, mergeRanges, type PortRange } from "./ports.ts";

/** `other`: every protocol that rules have no name for in that family. */
export type TrafficProtocol = "tcp" | "udp" | "sctp" | "icmp" | "icmpv6" | "other";

/** A block without the blocks in it that are left out. */
export interface BlockExcept {
  readonly block: Cidr;
  readonly except: readonly Cidr[];
}

/** What is let through: `opens` or `closes`. Otherwise only the answer to what is denied changes. */
export type ChangeKind = "opens" | "closes" | "rejects" | "drops";

/** Connections whose verdict changes, with what decides them before and after. */
export interface VerdictChange {
  readonly kind: ChangeKind;
  readonly protocols: readonly TrafficProtocol[];
  /** Of the families in which the protocols are meant. */
  readonly hosts: readonly BlockExcept[];
  /** Empty: any, or the protocol has none. */
  readonly ports: readonly PortRange[];
  readonly before: Decision;
  readonly after: Decision;
}

/** Connections of some protocols in one family, whose decision changes alike. */
export interface ChangedTraffic extends Omit<VerdictChange, "kind" | "protocols"> {}

export interface FoundRegion extends ChangedTraffic {
  readonly family: Family;
  readonly protocols: readonly TrafficProtocol[];
}

/** Ports of one block, less the blocks inside it, with one decision before and one after. */
export interface DecidedPiece extends Pick<VerdictChange, "before" | "after"> {
  readonly node: BlockNode<unknown>;
  readonly range: PortRange;
}

/** Blocks whose ports are the same become one region. Pieces come in the order of the blocks' tree. */
export function toTraffic(
  pieces: readonly DecidedPiece[],
  { hasPorts }: { readonly hasPorts: boolean },
): readonly ChangedTraffic[] {
  const byBefore = [...Map.groupBy(pieces, ({ before }) => before).values()];
  const byDecisions = byBefore.flatMap((group) => [...Map.groupBy(group, ({ after }) => after).values()]);
  return byDecisions.flatMap((group) => {
    const blocks = Array.from(
      Map.groupBy(group, ({ node }) => node),
      ([node, own]) => ({
        node,
        ports: hasPorts ? toPorts(own.map(({ range }) => range)) : [],
      }),
    );
    const regions = [...Map.groupBy(blocks, ({ ports }) => formatPorts(ports)).values()];
    return regions.flatMap((alike) => {
      const hosts = toBlocks(alike.map(({ node }) => node));
      const [one, block] = [group[0], alike[0]];
      return one && block && hosts.length > 0
        ? [{ hosts, ports: block.ports, before: one.before, after: one.after }]
        : [];
    });
  });
}

function toPorts(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged = mergeRanges(ranges);
  return merged.some(({ first, last }) => first === 0 && last === 65_535) ? [] : merged;
}

/** What several protocols or both families have in common is said once. In order of what people look for first. */
export function toChanges(found: readonly FoundRegion[]): readonly VerdictChange[] {
  const ids = new Map<Decision, number>();
  const idOf = (decision: Decision): number => {
    const id = ids.get(decision) ?? ids.size;
    ids.set(decision, id);
    return id;
  };
  const tell = ({ ports, before, after }: FoundRegion) => `${idOf(before)} ${idOf(after)} ${formatPorts(ports)}`;
  const ofProtocols = merge(found, {
    alike: (region) => `${tell(region)} ${region.hosts.map(formatBlock).join(" ")}`,
    into: (first, { protocols }) => ({ ...first, protocols: [...first.protocols, ...protocols] }),
  });
  const ofFamilies = merge(ofProtocols, {
    alike: (region) => `${tell(region)} ${inOrder(region.protocols).join(" ").replace("icmpv6", "icmp")}`,
    into: (first, { protocols, hosts }) => ({
      ...first,
      protocols: [...first.protocols, ...protocols],
      hosts: [...first.hosts, ...hosts],
    }),
  });
  return ofFamilies
    .map((region) => ({ ...region, kind: kindOf(region), protocols: inOrder(region.protocols) }))
    .toSorted(byInterest);
}

function merge(regions: readonly FoundRegion[], { alike, into }: MergeOptions): readonly FoundRegion[] {
  const groups = Map.groupBy(regions, alike).values();
  return [...groups].map((group) => group.reduce(into));
}

interface MergeOptions {
  readonly alike: (region: FoundRegion) => string;
  readonly into: (first: FoundRegion, next: FoundRegion) => FoundRegion;
}

const KINDS: readonly ChangeKind[] = ["opens", "closes", "rejects", "drops"];
const PROTOCOLS: readonly TrafficProtocol[] = ["tcp", "udp", "sctp", "icmp", "icmpv6", "other"];

function kindOf({ before, after }: FoundRegion): ChangeKind {
  if (after.verdict === "accept") return "opens";
  if (before.verdict === "accept") return "closes";
  return after.verdict === "reject" ? "rejects" : "drops";
}

function inOrder(protocols: readonly TrafficProtocol[]): readonly TrafficProtocol[] {
  return PROTOCOLS.filter((protocol) => protocols.includes(protocol));
}

function byInterest(a: VerdictChange, b: VerdictChange): number {
  return (
    KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) ||
    bySource(a.after.source, b.after.source) ||
    bySource(a.before.source, b.before.source)
  );
}

function bySource(a: Source, b: Source): number {
  const [one, other] = [nameOf(a), nameOf(b)];
  if (one !== other) return one < other ? -1 : 1;
  return a.kind === "default" || b.kind === "default" ? 0 : a.index - b.index;
}

function nameOf(source: Source): string {
  return source.kind === "runtime" ? `${source.kind} ${source.key}` : source.kind;
}

function formatBlock({ block, except }: BlockExcept): string {
  return [block, ...except].map(formatCidr).join("-");
}

/** Blocks that lie in each other become one, without what lies in it and is not among them. */
function toBlocks(nodes: readonly BlockNode<unknown>[]): readonly BlockExcept[] {
  const among = new Set(nodes);
  const around = new Map<BlockNode<unknown>, Region>();
  const regions = new Set<Region>();
  for (const node of nodes) {
    const region = around.get(node) ?? { block: node.block, except: [], isEmpty: true };
    regions.add(region);
    if (!node.isCovered) region.isEmpty = false;
    for (const child of node.children) {
      if (among.has(child)) around.set(child, region);
      else region.except.push(child.block);
    }
  }
  return [...regions].filter(({ isEmpty }) => !isEmpty).map(({ block, except }) => ({ block, except }));
}

interface Region {
  readonly block: Cidr;
  readonly except: Cidr[];
  /** Whether nothing is left of it so far. */
  isEmpty: boolean;
}
