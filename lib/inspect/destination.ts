import { parseAddress, type Family } from "../policy/address.ts";
import type { Packet } from "../policy/evaluate.ts";
import { show } from "../policy/show.ts";

/**
 * Parses `10.1.2.3:443`, `10.1.2.3:53/udp`, `[2001:db8::1]:443/tcp`, `10.1.2.3/icmp`: where a connection would go.
 * tcp where nothing is said; tcp, udp and sctp need a port.
 *
 * @throws Error that shows the text and what to write instead
 */
export function parseDestination(text: string): Packet {
  const [target = "", protocolText, ...rest] = text.split("/");
  if (rest.length > 0) throw refusal(`${show(text)} has more than one "/"`, "one protocol, such as 10.1.2.3:53/udp");
  const { address, port } = splitPort(target);
  const { family, address: destination } = parseAddress(address);
  const protocol = protocolIn(family, protocolText ?? "tcp");
  const isIcmp = protocol === "icmp" || protocol === "icmpv6";
  const shown = family === 6 ? `[${destination}]` : destination;
  if (isIcmp && port !== undefined) throw refusal(`${show(text)} has a port`, `${destination}/${protocol}`);
  if (isIcmp) return { family, destination, protocol };
  if (port === undefined) {
    const suffix = protocol === "tcp" ? "" : `/${protocol}`;
    const ways = [...portAtEnd(address), `${shown}:443`].map((way) => `${way}${suffix}`);
    throw refusal(`${show(text)} has no port`, `${ways.join(", or ")}, or ${destination}/icmp`);
  }
  return { family, destination, protocol, port };
}

/** `tcp to 10.1.2.3 port 443` */
export function formatDestination({ destination, protocol, port }: Packet): string {
  return `${protocol} to ${destination}${port === undefined ? "" : ` port ${port}`}`;
}

interface Target {
  readonly address: string;
  readonly port: number | undefined;
}

/** An IPv6 address is full of colons, so its port needs brackets (RFC 3986, section 3.2.2). */
function splitPort(text: string): Target {
  const [, bracketed, afterBrackets] = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return { address: bracketed, port: portIn(afterBrackets) };
  const [address = "", port, ...rest] = text.split(":");
  return rest.length > 0 ? { address: text, port: undefined } : { address, port: portIn(port) };
}

function portIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^(?:0|[1-9]\d{0,4})$/.test(text) || port > 65_535) throw refusal(`the port is ${show(text)}`, "0-65535");
  return port;
}

/** What `2001:db8::1:443` may have meant: without brackets its last part may be a port. */
function portAtEnd(address: string): readonly string[] {
  const [, start, port] = /^(.*:.*):(\d+)$/.exec(address) ?? [];
  try {
    return start === undefined ? [] : [`[${parseAddress(start).address}]:${portIn(port)}`];
  } catch {
    return [];
  }
}

const PROTOCOLS: ReadonlySet<string> = new Set(["tcp", "udp", "sctp", "icmp", "icmpv6"]);

/** Whoever asks about a ping says icmp, whatever the address. */
function protocolIn(family: Family, text: string): string {
  const protocol = text.toLowerCase();
  if (!PROTOCOLS.has(protocol)) throw refusal(`the protocol is ${show(text)}`, "tcp, udp, sctp, icmp or icmpv6");
  if (protocol === "icmp" && family === 6) return "icmpv6";
  if (protocol === "icmpv6" && family === 4) throw refusal("icmpv6 goes with an IPv4 address", "icmp");
  return protocol;
}

function refusal(found: string, wanted: string): Error {
  return new Error(`Cannot parse destination: ${found}, expected ${wanted}`);
}
