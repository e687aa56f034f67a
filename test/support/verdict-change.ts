import type { ChangeView } from "../../lib/plan/effect-view.ts";
import { cidrContains, parseAddress, parseCidr, type Cidr, type Family } from "../../lib/policy/address.ts";
import { spanOf } from "../../lib/policy/block-tree.ts";
import type { Packet } from "../../lib/policy/evaluate.ts";
import { parsePorts } from "../../lib/policy/ports.ts";
import type { Rule } from "../../lib/policy/rule.ts";
import type { TrafficProtocol, VerdictChange } from "../../lib/policy/verdict-changes.ts";

type ChangedRegion = Pick<VerdictChange, "protocols" | "hosts" | "ports">;

/** Whether a packet lies in a region. */
export function isIn({ protocols, hosts, ports }: ChangedRegion, packet: Packet): boolean {
  const destination = parseAddress(packet.destination);
  const { port } = packet;
  return (
    protocols.includes(protocolOf(packet)) &&
    hosts.some(
      ({ block, except }) =>
        cidrContains(block, destination) && !except.some((each) => cidrContains(each, destination)),
    ) &&
    (ports.length === 0 || (port !== undefined && ports.some(({ first, last }) => first <= port && port <= last)))
  );
}

/** A region as `outbound plan --json` has it. */
export function toVerdictChange({ protocols, hosts, ports }: ChangeView): ChangedRegion {
  return {
    protocols,
    hosts: hosts.map(({ block, except }) => ({ block: parseCidr(block), except: except.map(parseCidr) })),
    ports: ports === null ? [] : parsePorts(ports),
  };
}

/** Packets on both sides of every edge that the rules have, of every protocol, with the addresses and ports of any two rules. */
export function packetsAround(rules: readonly Rule[]): { readonly at: (choice: number) => Packet } {
  const hosts = rules.flatMap((rule) => rule.hosts);
  const addresses = [...FIXED, ...hosts.flatMap(addressesAround)];
  const edges = rules.flatMap(({ ports }) => ports.flatMap(({ first, last }) => [first - 1, first, last, last + 1]));
  const ports = [...new Set([0, 1024, 65_535, ...edges])].filter((port) => port >= 0 && port <= 65_535);
  return {
    at: (choice) => {
      const [family, destination] = pick(addresses, choice);
      const rest = Math.floor(choice / addresses.length);
      const protocol = pick(PROTOCOLS, rest);
      const hasPort = protocol === "tcp" || protocol === "udp" || protocol === "sctp";
      const port = pick(ports, Math.floor(rest / PROTOCOLS.length));
      return { family, destination, protocol, ...(hasPort && { port }) };
    },
  };
}

const PROTOCOLS = ["tcp", "tcp", "udp", "udp", "sctp", "icmp", "icmpv6", "gre", 50] as const;
const FIXED: readonly (readonly [Family, string])[] = [
  [4, "0.0.0.0"],
  [4, "203.0.113.77"],
  [4, "255.255.255.255"],
  [6, "::"],
  [6, "2001:db8:1234::1"],
];

function protocolOf({ protocol, family }: Packet): TrafficProtocol {
  if (protocol === "tcp" || protocol === "udp" || protocol === "sctp") return protocol;
  if (protocol === "icmp" && family === 4) return protocol;
  return protocol === "icmpv6" && family === 6 ? protocol : "other";
}

function addressesAround(block: Cidr): readonly (readonly [Family, string])[] {
  const { family } = block;
  const { first, last } = spanOf(block);
  const end = 1n << (family === 4 ? 32n : 128n);
  return [first - 1n, first, last, last + 1n]
    .filter((number) => number >= 0n && number < end && !isMapped(family, number))
    .map((number) => [family, toAddress(family, number)]);
}

/** IPv4 mapped into IPv6 is no destination of an IPv6 packet. */
function isMapped(family: Family, number: bigint): boolean {
  return family === 6 && number >> 32n === 0xffffn;
}

function toAddress(family: Family, number: bigint): string {
  const [count, bits] = family === 4 ? [4, 8n] : [8, 16n];
  const parts = Array.from(
    { length: count },
    (_, index) => (number >> (bits * BigInt(count - 1 - index))) & ((1n << bits) - 1n),
  );
  return family === 4 ? parts.join(".") : parseAddress(parts.map((part) => part.toString(16)).join(":")).address;
}

function pick<T>(items: readonly T[], choice: number): T {
  const item = items[choice % items.length];
  if (item === undefined) throw new Error("Cannot pick: there is nothing to pick from");
  return item;
}
