import { readLogPrefix, type LoggedAs } from "../netfilter/log-prefix.ts";
import { parseAddress } from "../policy/address.ts";

/** A packet that a rule of ours had the kernel log. */
export interface LoggedPacket {
  readonly as: LoggedAs;
  /** The bridge port and the interface that it came in through, as far as the kernel says. */
  readonly interfaces: readonly string[];
  /** Canonical addresses. */
  readonly source: string;
  readonly destination: string;
  /** A name as in rules where there is one, otherwise netfilter's in lower case, or IANA's number. */
  readonly protocol: string;
  /** Where the protocol has ports and the kernel prints them (of SCTP it does not). */
  readonly port?: number;
}

/**
 * Parses a message of the kernel's log as netfilter's LOG target writes it, of either family
 * (net/netfilter/nf_log_syslog.c): `PREFIXIN=cni0 PHYSIN=veth1 SRC=… DST=… PROTO=TCP SPT=1 DPT=443 …`. Undefined where
 * it is none of ours, or says too little.
 */
export function parseLogLine(message: string): LoggedPacket | undefined {
  const { as, rest } = readLogPrefix(message) ?? {};
  if (!as || rest === undefined) return undefined;
  // An ICMP error quotes the packet that it answers in brackets, and what follows is all of that one.
  const fields = fieldsOf(rest.split("[")[0] ?? "");
  const source = canonical(fields.get("SRC"));
  const destination = canonical(fields.get("DST"));
  const protocol = PROTOCOL.exec(fields.get("PROTO") ?? "")?.[0].toLowerCase();
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  const port = portIn(fields.get("DPT"));
  return {
    as,
    interfaces: ["PHYSIN", "IN"].flatMap((name) => fields.get(name) || []),
    source,
    destination,
    protocol: PROTOCOL_NAMES.get(protocol) ?? protocol,
    ...(port !== undefined && { port }),
  };
}

/** `TCP`, `ICMPv6`, `UDPLITE`, `47`. */
const PROTOCOL = /^[A-Za-z0-9-]{1,16}$/;

/** IANA's numbers of what rules have names for: the kernel prints a number where it looks no further. */
const PROTOCOL_NAMES: ReadonlyMap<string, string> = new Map([
  ["1", "icmp"],
  ["6", "tcp"],
  ["17", "udp"],
  ["58", "icmpv6"],
  ["132", "sctp"],
]);

/** The first of each name: what comes later is of an inner packet. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(/(?:^| )([A-Z]+)=(\S*)/g)) {
    if (!fields.has(name)) fields.set(name, value);
  }
  return fields;
}

/** IPv6 addresses are logged in full, with leading zeros. */
function canonical(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : parseAddress(text).address;
  } catch {
    return undefined;
  }
}

function portIn(text: string | undefined): number | undefined {
  const port = Number(text);
  return text !== undefined && /^\d{1,5}$/.test(text) && port <= 65_535 ? port : undefined;
}
