import { ipPacket, PROTOCOL } from "./packet.ts";

/** Chunk types (RFC 9260, section 3.2). */
export const CHUNK = { data: 0, init: 1, initAck: 2, sack: 3, cookieEcho: 10, cookieAck: 11 } as const;

export interface SctpPacket {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly port: number;
  /** The receiver's tag; 0 with INIT. */
  readonly tag: number;
  readonly type: number;
  /** The chunk's value; its length is a multiple of 4. */
  readonly value: Buffer;
}

/** An IP packet with one chunk. */
export function sctpPacket({ type, value, ...sctp }: SctpPacket): Buffer {
  const flags = type === CHUNK.data ? 3 : 0;
  const packet = Buffer.alloc(16 + value.length);
  packet.writeUInt16BE(sctp.sourcePort, 0);
  packet.writeUInt16BE(sctp.port, 2);
  packet.writeUInt32BE(sctp.tag, 4);
  packet.writeUInt8(type, 12);
  packet.writeUInt8(flags, 13);
  packet.writeUInt16BE(4 + value.length, 14);
  value.copy(packet, 16);
  packet.writeUInt32LE(crc32c(packet), 8);
  return ipPacket(packet, { ...sctp, protocol: PROTOCOL.sctp });
}

/** The packet in a frame whose IP header has no options; only its first chunk is read. */
export function parseSctp(frame: Buffer): SctpPacket & { readonly from: string } {
  const isIpv4 = frame.readUInt8(14) >> 4 === 4;
  const [sourceAt, length] = isIpv4 ? [26, 4] : [22, 16];
  const address = (at: number) => {
    const bytes = frame.subarray(at, at + length);
    return isIpv4 ? [...bytes].join(".") : (bytes.toString("hex").match(/.{4}/g) ?? []).join(":");
  };
  const sctp = frame.subarray(isIpv4 ? 34 : 54);
  return {
    from: (frame.toString("hex", 6, 12).match(/../g) ?? []).join(":"),
    source: address(sourceAt),
    destination: address(sourceAt + length),
    sourcePort: sctp.readUInt16BE(0),
    port: sctp.readUInt16BE(2),
    tag: sctp.readUInt32BE(4),
    type: sctp.readUInt8(12),
    value: sctp.subarray(16, 12 + sctp.readUInt16BE(14)),
  };
}

/** The checksum of SCTP (RFC 9260, appendix A). */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
