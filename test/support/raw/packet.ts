import { isIPv4 } from "node:net";
import ipaddr from "ipaddr.js";

/** What a frame carries, by its Ethernet type. */
const ETHERTYPE = { 4: 0x0800, 6: 0x86dd } as const;

export const PROTOCOL = { icmp: 1, udp: 17, icmpv6: 58, sctp: 132 } as const;

export interface FrameOptions {
  readonly from: string;
  readonly to: string;
  /** VLAN tags, outermost first, each an id (IEEE 802.1Q); 0 is a tag with a priority and no VLAN. */
  readonly tags?: readonly number[];
}

/** An Ethernet frame around one IP packet. */
export function frameOf(packet: Buffer, { from, to, tags = [] }: FrameOptions): Buffer {
  const type = uint16(packet.readUInt8() >> 4 === 4 ? ETHERTYPE[4] : ETHERTYPE[6]);
  return Buffer.concat([macOf(to), macOf(from), ...tags.flatMap((tag) => [uint16(0x8100), uint16(tag)]), type, packet]);
}

export interface IpOptions {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** TTL or hop limit; default 64. */
  readonly hops?: number;
  /** IPv4's options, padded to four bytes. */
  readonly options?: Buffer;
  /** Where this piece of a datagram belongs, in bytes, a multiple of 8; absent: the packet is whole. */
  readonly fragment?: { readonly id: number; readonly offset: number; readonly isLast: boolean };
}

/** An IP packet of the family of its addresses. */
export function ipPacket(payload: Buffer, ip: IpOptions): Buffer {
  return isIPv4(ip.destination) ? ipv4Packet(payload, ip) : ipv6Packet(payload, ip);
}

export interface UdpOptions extends Pick<IpOptions, "source" | "destination"> {
  readonly sourcePort: number;
  readonly port: number;
}

/** A UDP header and its payload, with its checksum. */
export function udpDatagram(payload: Buffer, { source, destination, sourcePort, port }: UdpOptions): Buffer {
  const length = 8 + payload.length;
  const datagram = Buffer.concat([uint16(sourcePort), uint16(port), uint16(length), uint16(0), payload]);
  const pseudo = Buffer.concat([
    bytesOf(source),
    bytesOf(destination),
    uint16(0),
    uint16(17),
    uint16(0),
    uint16(length),
  ]);
  datagram.writeUInt16BE(checksum(Buffer.concat([pseudo, datagram])) || 0xffff, 6);
  return datagram;
}

/** A whole UDP packet. */
export function udpPacket(payload: string, udp: UdpOptions & Partial<IpOptions>): Buffer {
  return ipPacket(udpDatagram(Buffer.from(payload), udp), { ...udp, protocol: PROTOCOL.udp });
}

/** A datagram in pieces of at most `size` bytes, a multiple of 8. */
export function inFragments(
  datagram: Buffer,
  { size, id, ...ip }: IpOptions & { readonly size: number; readonly id: number },
): readonly Buffer[] {
  const count = Math.ceil(datagram.length / size);
  return Array.from({ length: count }, (_, index) => {
    const offset = index * size;
    const fragment = { id, offset, isLast: index === count - 1 };
    return ipPacket(datagram.subarray(offset, offset + size), { ...ip, fragment });
  });
}

function ipv4Packet(
  payload: Buffer,
  { source, destination, protocol, hops = 64, options = Buffer.alloc(0), fragment }: IpOptions,
): Buffer {
  const headerLength = 20 + options.length;
  const place = fragment ? (fragment.offset >> 3) | (fragment.isLast ? 0 : 0x2000) : 0;
  const header = Buffer.concat([
    Buffer.from([0x40 | (headerLength >> 2), 0]),
    uint16(headerLength + payload.length),
    uint16(fragment?.id ?? 0),
    uint16(place),
    Buffer.from([hops, protocol]),
    uint16(0),
    bytesOf(source),
    bytesOf(destination),
    options,
  ]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

function ipv6Packet(payload: Buffer, { source, destination, protocol, hops = 64, fragment }: IpOptions): Buffer {
  const fragmentHeader = fragment
    ? Buffer.concat([
        Buffer.from([protocol, 0]),
        uint16(fragment.offset | (fragment.isLast ? 0 : 1)),
        uint16(0),
        uint16(fragment.id),
      ])
    : Buffer.alloc(0);
  const length = fragmentHeader.length + payload.length;
  const header = Buffer.concat([
    Buffer.from([0x60, 0, 0, 0]),
    uint16(length),
    Buffer.from([fragment ? 44 : protocol, hops]),
    bytesOf(source),
    bytesOf(destination),
  ]);
  return Buffer.concat([header, fragmentHeader, payload]);
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function macOf(text: string): Buffer {
  return Buffer.from(text.replaceAll(":", ""), "hex");
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

function bytesOf(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray());
}
