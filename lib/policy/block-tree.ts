import ipaddr from "ipaddr.js";
import type { Cidr, Family } from "./address.ts";

/** A block's addresses as numbers, both ends inclusive. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** A block with those inside it: two blocks are disjoint, or one contains the other. */
export interface BlockNode<T> {
  readonly block: Cidr;
  /** What belongs to exactly this block. */
  readonly items: readonly T[];
  readonly children: readonly BlockNode<T>[];
  /** Whether its children leave no address to itself. */
  readonly isCovered: boolean;
}

export interface PlacedItem<T> {
  readonly block: Cidr;
  readonly span: Span;
  readonly item: T;
}

export function spanOf({ family, address, prefix }: Cidr): Span {
  const first = ipaddr
    .parse(address)
    .toByteArray()
    .reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
  return { first, last: first + (1n << BigInt(widthOf(family) - prefix)) - 1n };
}

/** All addresses of a family. */
export function wholeFamily(family: Family): Cidr {
  return { family, address: family === 4 ? "0.0.0.0" : "::", prefix: 0 };
}

/** The tree of all blocks of one family, from the whole family down. */
export function nestBlocks<T>(family: Family, placed: readonly PlacedItem<T>[]): BlockNode<T> {
  const root = openNode<T>(wholeFamily(family));
  const path = [root];
  for (const { block, span, item } of placed.toSorted(outermostFirst)) {
    while (path.length > 1 && (path.at(-1)?.span.last ?? 0n) < span.first) path.pop();
    const around = path.at(-1) ?? root;
    if (around.span.first === span.first && around.span.last === span.last) {
      around.items.push(item);
      continue;
    }
    const node = openNode<T>(block);
    node.items.push(item);
    around.children.push(node);
    path.push(node);
  }
  return closeNode(root);
}

/** Spans that touch or overlap become one. Sorted. */
export function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => compare(a.first, b.first))) {
    const before = merged.at(-1);
    if (before === undefined || span.first > before.last + 1n) merged.push(span);
    else if (span.last > before.last) merged[merged.length - 1] = { first: before.first, last: span.last };
  }
  return merged;
}

/** Whether a span shares an address with one of those that `mergeSpans` gave. */
export function overlaps(merged: readonly Span[], span: Span): boolean {
  let [low, high] = [0, merged.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((merged[middle]?.last ?? 0n) < span.first) low = middle + 1;
    else high = middle;
  }
  const next = merged[low];
  return next !== undefined && next.first <= span.last;
}

interface OpenNode<T> {
  readonly block: Cidr;
  readonly span: Span;
  readonly items: T[];
  readonly children: OpenNode<T>[];
}

function openNode<T>(block: Cidr): OpenNode<T> {
  return { block, span: spanOf(block), items: [], children: [] };
}

function closeNode<T>({ block, span, items, children }: OpenNode<T>): BlockNode<T> {
  const inside = children.reduce((sum, child) => sum + sizeOf(child.span), 0n);
  return { block, items, children: children.map(closeNode), isCovered: inside === sizeOf(span) };
}

function sizeOf({ first, last }: Span): bigint {
  return last - first + 1n;
}

function outermostFirst(a: { readonly span: Span }, b: { readonly span: Span }): number {
  return compare(a.span.first, b.span.first) || compare(b.span.last, a.span.last);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}

function widthOf(family: Family): number {
  return family === 6 ? 128 : 32;
}
