import ipaddr from "ipaddr.js";
import { show } from "./show.ts";

export type Family = 4 | 6;

/** An address block in canonical form: no host bits, lower case, shortest IPv6 text. */
export interface Cidr {
  readonly family: Family;
  /** Canonical text of the network address, without the prefix length. */
  readonly address: string;
  readonly prefix: number;
}

/**
 * Parses an IPv4 or IPv6 address (a block of one) or CIDR. Whatever two programs could read differently is
 * refused: leading zeros, octal, hexadecimal and short IPv4, zone ids, IPv4 inside IPv6, host bits, names.
 *
 * @throws Error that shows the text and what to write instead
 */
export function parseCidr(text: string): Cidr {
  try {
    return parseBlock(text);
  } catch (error) {
    throw otherForm(text) ?? error;
  }
}

/**
 * Parses one address; a CIDR only where it is a block of one.
 *
 * @throws Error as `parseCidr` does
 */
export function parseAddress(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr.prefix !== fullPrefix(cidr.family)) throw refusal(`${show(text)} is a block`, "one address");
  return cidr;
}

/** Whether `parseAddress` takes it. */
export function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}

/** Always with the prefix length: `10.0.0.1/32`. */
export function formatCidr(cidr: Cidr): string {
  return `${cidr.address}/${cidr.prefix}`;
}

/** Whether every address of the second block is in the first. Families never contain each other. */
export function cidrContains(cidr: Cidr, address: Cidr): boolean {
  if (cidr.family !== address.family || cidr.prefix > address.prefix) return false;
  const network = mask(ipaddr.parse(address.address).toByteArray(), cidr.prefix);
  return print(network) === cidr.address;
}

function parseBlock(text: string): Cidr {
  const [address = "", prefixText, ...rest] = text.split("/");
  if (rest.length > 0) throw refusal(`${show(text)} has more than one "/"`, "an address and one prefix length");
  const family = address.includes(":") ? 6 : 4;
  const bytes = family === 6 ? parseIpv6(address) : parseIpv4(address);
  const prefix = prefixText === undefined ? bytes.length * 8 : parsePrefix(prefixText, bytes.length * 8);
  if (family === 6 && prefix >= 96) refuseMapped(text, bytes, prefix);
  const network = mask(bytes, prefix);
  if (network.some((byte, index) => byte !== bytes[index])) {
    throw new Error(
      `Cannot parse address: ${show(text)} has host bits set: ` +
        `write ${print(network)}/${prefix} or ${print(bytes)}/${bytes.length * 8}`,
    );
  }
  return { family, address: print(network), prefix };
}

function fullPrefix(family: Family): number {
  return family === 6 ? 128 : 32;
}

function parseIpv4(text: string): number[] {
  if (!endsInNumber(text)) throw notAnAddress(text);
  const parts = text.split(".");
  if (parts.length !== 4) throw refusal(`${show(text)} has ${parts.length} of 4 parts`, "four decimal parts, 10.0.0.1");
  return parts.map((part) => parseOctet(part, text));
}

/** As browsers tell a number from a name: by the last part (WHATWG URL, "ends in a number"). */
function endsInNumber(text: string): boolean {
  return /(?:^|\.)(?:\d+|0[xX][0-9a-fA-F]*)$/.test(text);
}

function notAnAddress(text: string): Error {
  const wanted = "an IPv4 or IPv6 address or CIDR";
  if (text === "") return refusal("the address is empty", wanted);
  if (text.trim() !== text) return refusal(`${show(text)} has spaces around it`, wanted);
  return refusal(`names are not addresses: found ${show(text)}`, wanted);
}

function parseOctet(part: string, text: string): number {
  const wanted = "four decimal parts from 0 to 255";
  if (!/^\d+$/.test(part)) throw refusal(`${show(part)} in ${show(text)} is not decimal`, wanted);
  if (part.length > 1 && part.startsWith("0")) {
    throw refusal(
      `${show(text)} has a leading zero in ${show(part)}, which some programs read as octal`,
      "decimal parts without leading zeros",
    );
  }
  if (Number(part) > 255) throw refusal(`${part} in ${show(text)} is out of range`, wanted);
  return Number(part);
}

function parseIpv6(text: string): number[] {
  if (text.includes("%")) {
    throw refusal(`${show(text)} has a zone id, which means nothing on another machine`, "an address without it");
  }
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (dotted !== undefined) throw mapped(text, dotted);
  // ipaddr.js reads ::1.2.3.4 as ::ffff:1.2.3.4, and takes zone ids: only plain text reaches it.
  if (!/^[0-9a-fA-F:]+$/.test(text) || !ipaddr.IPv6.isValid(text)) {
    throw refusal(`${show(text)} is not IPv6`, "hexadecimal parts such as 2001:db8::1");
  }
  return ipaddr.IPv6.parse(text).toByteArray();
}

/** Packets to a mapped address are IPv4 packets: an IPv6 rule for it would never match. */
function refuseMapped(text: string, bytes: readonly number[], prefix: number): void {
  const isMapped = bytes.every((byte, index) => (index < 10 ? byte === 0 : index > 11 || byte === 255));
  if (!isMapped) return;
  const ipv4 = print(bytes.slice(12));
  throw mapped(text, prefix === 128 ? ipv4 : `${ipv4}/${prefix - 96}`);
}

function mapped(text: string, ipv4: string): Error {
  return new Error(`Cannot parse address: ${show(text)} is IPv4 mapped into IPv6: write ${ipv4}`);
}

function parsePrefix(text: string, longest: number): number {
  if (!/^(?:0|[1-9]\d{0,2})$/.test(text) || Number(text) > longest) {
    throw refusal(`${show(text)} is not a prefix length`, `a decimal number from 0 to ${longest}`);
  }
  return Number(text);
}

/** What people write in place of an address, and how to say it. In time linear in the text, which may be long. */
function otherForm(text: string): Error | undefined {
  const found = show(text);
  if (text.includes("://")) return refusal(`${found} is a URL`, "an IPv4 or IPv6 address or CIDR, and nothing else");
  if (/^(?:[\w./-]+|\[[^\]]*\]):[\d,-]+$/.test(text)) {
    return refusal(`${found} has a port`, 'an IPv4 or IPv6 address or CIDR alone: a port goes into "port"');
  }
  if (text.includes(",")) {
    return refusal(
      `${found} holds a comma`,
      "one address or CIDR, or a JSON list of them (--host again on the command line)",
    );
  }
  const isRange =
    /^\d+\.[\d.]+ *- *[\d.]+$/.test(text) || (text.includes(":") && /^[\da-f:]+ *- *[\da-f:]+$/i.test(text));
  if (isRange) {
    return refusal(`${found} is a range`, "a block (CIDR) such as 10.0.0.0/24, or a list of addresses");
  }
  return undefined;
}

function mask(bytes: readonly number[], prefix: number): number[] {
  return bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - index * 8))));
}

function print(bytes: readonly number[]): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

function refusal(found: string, wanted: string): Error {
  return new Error(`Cannot parse address: ${found}, expected ${wanted}`);
}
