import type { CompiledNode } from "../../lib/netfilter/compile-node.ts";
import type { Family } from "../../lib/policy/address.ts";
import type { Attachment } from "../../lib/policy/attachment.ts";
import type { Packet } from "../../lib/policy/evaluate.ts";
import { createTracer, type Trace, type TracedPacket } from "./tracer.ts";

const MAIN = "main";
/** What other programs may have marked a packet with; it must come out as it went in. */
export const FOREIGN_MARK = 0x0000_4001;

/** What compiled chains make of packets, the main chain included. */
export function tracerOf({ attachments, chains }: CompiledNode): (packet: TracedPacket) => Trace {
  const dispatch = attachments.flatMap((compiled) => compiled.dispatch);
  const rules = new Map([...chains].map(([name, chain]) => [name, chain.rules]));
  const trace = createTracer(rules.set(MAIN, dispatch));
  return (packet) => trace({ start: MAIN, packet });
}

/** A packet as its container sends it: from its own address, through its own interface. */
export function sentBy(attachment: Attachment, packet: Packet): TracedPacket {
  const { hostInterface } = attachment;
  const source = attachment.addresses.find((address) => familyOf(address) === packet.family);
  if (source === undefined)
    throw new Error(`Cannot send packet: ${attachment.chain} has no IPv${packet.family} address`);
  return {
    family: packet.family,
    source,
    destination: packet.destination,
    protocol: packet.protocol === "icmpv6" ? "ipv6-icmp" : String(packet.protocol),
    mark: FOREIGN_MARK,
    ...(packet.port !== undefined && { port: packet.port }),
    ...(hostInterface && { [hostInterface.isBridgePort ? "bridgePort" : "inInterface"]: hostInterface.name }),
  };
}

function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}
