import ipaddr from "ipaddr.js";
import { parseCidr, type Cidr, type Family } from "../../../lib/policy/address.ts";
import type { Packet } from "../../../lib/policy/evaluate.ts";
import type { Rule } from "../../../lib/policy/rule.ts";

/** Addresses that rules seldom name. */
const ELSEWHERE = { 4: "198.18.77.1", 6: "2001:db8:4b4d::1" } as const;
const MOST_DESTINATIONS = 8;
const MOST_PORTS = 8;

/** Packets on both sides of the edges that rules have: where a rule that came out wider or narrower shows. */
export function probesOf(rules: readonly Rule[]): readonly Packet[] {
  const ports = unique([0, 443, 65_535, ...rules.flatMap(portEdges)]).slice(0, MOST_PORTS);
  return ([4, 6] as const).flatMap((family) => {
    const hosts = rules.flatMap((rule) => rule.hosts).filter((host) => host.family === family);
    const destinations = unique([ELSEWHERE[family], ...hosts.flatMap(addressEdges)]).slice(0, MOST_DESTINATIONS);
    return destinations.flatMap((destination): readonly Packet[] => [
      { family, destination, protocol: family === 4 ? "icmp" : "icmpv6" },
      { family, destination, protocol: 47 },
      ...(["tcp", "udp", "sctp"] as const).flatMap((protocol) =>
        ports.map((port) => ({ family, destination, protocol, port })),
      ),
    ]);
  });
}

function portEdges({ ports }: Rule): readonly number[] {
  return ports
    .flatMap(({ first, last }) => [first, last, first - 1, last + 1])
    .filter((port) => port >= 0 && port <= 65_535);
}

/** The first and the last of a block, and their neighbours outside it. */
function addressEdges(block: Cidr): readonly string[] {
  const bytes = ipaddr.parse(block.address).toByteArray();
  const width = bytes.length * 8;
  const first = bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
  const last = first + (1n << BigInt(width - block.prefix)) - 1n;
  return [first, last, first - 1n, last + 1n]
    .filter((number) => number >= 0n && number < 1n << BigInt(width))
    .flatMap((number) => print(number, block.family));
}

/** Addresses that no packet of that family has, as IPv4 mapped into IPv6, are left out. */
function print(number: bigint, family: Family): readonly string[] {
  const length = family === 4 ? 4 : 16;
  const bytes = Array.from({ length }, (_, index) => Number((number >> BigInt(8 * (length - 1 - index))) & 0xffn));
  const text = ipaddr.fromByteArray(bytes).toString();
  try {
    return [parseCidr(text).address];
  } catch {
    return [];
  }
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}
