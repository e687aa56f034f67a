import { monotonicMs } from "../wait.ts";
import { type Flow, followFlow } from "../traffic/endpoint.ts";
import type { FlowReply } from "../traffic/messages.ts";
import { frameOf } from "./packet.ts";
import type { RawDevice } from "./raw-device.ts";
import { CHUNK, parseSctp, sctpPacket } from "./sctp-packet.ts";

/** What makes the server's tag from the client's, so that it needs to remember neither. */
const TAG_MASK = 0x5a5a5a5a;

/** Answers every association that comes in to these ports, whatever the address, and echoes its data. */
export function serveSctp(device: RawDevice, ports: readonly number[]): void {
  device.onFrame((frame) => {
    const { from, ...packet } = parseSctp(frame);
    if (!ports.includes(packet.port)) return;
    const clientTag = packet.type === CHUNK.init ? packet.value.readUInt32BE() : (packet.tag ^ TAG_MASK) >>> 0;
    const answer = answerTo(packet.type, { value: packet.value, ownTag: (clientTag ^ TAG_MASK) >>> 0 });
    if (!answer) return;
    const { source, destination, sourcePort, port } = packet;
    const way = { source: destination, destination: source, sourcePort: port, port: sourcePort };
    device.send(frameOf(sctpPacket({ ...way, tag: clientTag, ...answer }), { from: device.mac, to: from }));
  });
}

export interface AssociationOptions {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly port: number;
  /** The router's hardware address. */
  readonly to: string;
  readonly everyMs: number;
}

/** Opens an association and sends data on it until it is closed. Its numbers come back as a flow's do. */
export function openAssociation(device: RawDevice, { to, everyMs, ...way }: AssociationOptions): Flow {
  const tag = 1 + Math.floor(Math.random() * 0xfffffff0);
  const sentAtMs: number[] = [];
  const replies: FlowReply[] = [];
  let serverTag = 0;
  let isUp = false;
  const send = (type: number, value: Buffer) =>
    device.send(frameOf(sctpPacket({ ...way, tag: serverTag, type, value }), { from: device.mac, to }));
  device.onFrame((frame) => {
    const packet = parseSctp(frame);
    if (packet.port !== way.sourcePort || packet.sourcePort !== way.port || packet.tag !== tag) return;
    if (packet.type === CHUNK.initAck) {
      serverTag = packet.value.readUInt32BE();
      send(CHUNK.cookieEcho, packet.value.subarray(20));
    } else if (packet.type === CHUNK.cookieAck) isUp = true;
    else if (packet.type === CHUNK.data) {
      const sequence = packet.value.readUInt32BE();
      const sentAt = sentAtMs[sequence];
      if (sentAt !== undefined) replies.push({ sequence, sentAtMs: sentAt, repliedAtMs: monotonicMs() });
    }
  });
  send(CHUNK.init, initValue(tag));
  const timer = setInterval(() => {
    if (isUp) send(CHUNK.data, dataValue(sentAtMs.push(monotonicMs()) - 1));
  }, everyMs);
  const state = async () => ({ sent: sentAtMs.length, replies: [...replies] });
  return followFlow({
    state,
    close: () => {
      clearInterval(timer);
      return state();
    },
  });
}

function answerTo(type: number, { value, ownTag }: { readonly value: Buffer; readonly ownTag: number }) {
  const cookie = Buffer.from([0, 7, 0, 8, 1, 2, 3, 4]);
  if (type === CHUNK.init) return { type: CHUNK.initAck, value: Buffer.concat([initValue(ownTag), cookie]) };
  if (type === CHUNK.cookieEcho) return { type: CHUNK.cookieAck, value: Buffer.alloc(0) };
  return type === CHUNK.data ? { type, value } : undefined;
}

/** Tag, window, streams out and in, first TSN. */
function initValue(tag: number): Buffer {
  const value = Buffer.alloc(16);
  value.writeUInt32BE(tag, 0);
  value.writeUInt32BE(0x10000, 4);
  value.writeUInt16BE(1, 8);
  value.writeUInt16BE(1, 10);
  return value;
}

/** TSN, stream, number in the stream, protocol of the payload, and four bytes of it. */
function dataValue(sequence: number): Buffer {
  const value = Buffer.alloc(16);
  value.writeUInt32BE(sequence, 0);
  return value;
}
