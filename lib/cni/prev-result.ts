import { parseAddress } from "../policy/address.ts";
import type { Cidr } from "../policy/address.ts";
import { show } from "../policy/show.ts";
import { interfaceNameIssue } from "./environment.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import { isJsonObject } from "./json-object.ts";
import type { JsonObject } from "./json-object.ts";

/** What the plugins before us made. */
export interface PrevResult {
  /** The container's, canonical, without prefix length, both families, in order, each once. */
  readonly addresses: readonly string[];
  /** Names of the interfaces outside the container, in order. */
  readonly hostInterfaces: readonly string[];
}

/**
 * Read `prevResult` in the form of the configuration's `cniVersion`: `ip4` and `ip6` up to 0.2.0, `interfaces` and
 * `ips` from 0.3.0. Fields that do not concern us may be anything.
 *
 * Loopback and unspecified addresses do not count, though the loopback plugin reports its own: rules for 127.0.0.1
 * would apply to the host's own traffic.
 *
 * @throws {CniError} code 7 where it is missing or gives `ifname` no address, code 6 where it is malformed
 */
export function readPrevResult(config: JsonObject, options: { ifname: string }): PrevResult {
  const { ifname } = options;
  const prevResult = prevResultObject(config);
  const interfaces = readInterfaces(prevResult);
  const all = hasLegacyForm(config) ? legacyAddresses(prevResult) : containerAddresses(prevResult, interfaces);
  const addresses = [...new Set(all)].filter((address) => !/^(127\.|0\.0\.0\.0$|::1?$)/.test(address));
  if (addresses.length === 0) {
    throw new CniError(
      `outbound must be chained after a plugin that gives the container its address: prevResult has none for ${ifname}`,
      { code: CNI_ERROR.invalidConfig },
    );
  }
  return { addresses, hostInterfaces: interfaces.filter((each) => !each.isInside).map((each) => each.name) };
}

/** The same for DEL, where `prevResult` is a hint: Nomad sends none after a failed ADD, or an old one. Never throws. */
export function tryPrevResult(config: JsonObject, options: { ifname: string }): PrevResult {
  try {
    return readPrevResult(config, options);
  } catch {
    return { addresses: [], hostInterfaces: [] };
  }
}

/**
 * ADD's answer: `prevResult` with every field it has, and the request's version. Nomad and libcni's cache get what the
 * last plugin of the chain prints, so nothing may be lost.
 *
 * @throws {CniError} code 7 where there is none
 */
export function resultText(config: JsonObject, cniVersion: string): string {
  return JSON.stringify({ ...prevResultObject(config), cniVersion }, null, 4);
}

function prevResultObject(config: JsonObject): JsonObject {
  const prevResult = config["prevResult"] ?? undefined;
  if (prevResult === undefined) {
    throw new CniError(
      "outbound must be chained after a plugin that gives the container its address: prevResult is missing",
      { code: CNI_ERROR.invalidConfig },
    );
  }
  return object(prevResult, "prevResult");
}

function hasLegacyForm(config: JsonObject): boolean {
  const version = config["cniVersion"] ?? "";
  return version === "" || version === "0.1.0" || version === "0.2.0";
}

interface Interface {
  readonly name: string;
  /** It has a sandbox: it is in the container. */
  readonly isInside: boolean;
}

function readInterfaces(prevResult: JsonObject): readonly Interface[] {
  return list(prevResult["interfaces"], "prevResult.interfaces").map((entry, index) => {
    const path = `prevResult.interfaces[${index}]`;
    const { name, sandbox } = object(entry, path);
    return {
      name: deviceName(name, `${path}.name`),
      isInside: (sandbox ?? "") !== "" && text(sandbox, `${path}.sandbox`) !== "",
    };
  });
}

/** A name that no device can have would not be one word in rules. */
function deviceName(value: unknown, path: string): string {
  const name = text(value, path);
  if (interfaceNameIssue(name) === undefined) return name;
  throw malformed(`${path} is ${show(name)}, expected an interface name`);
}

function containerAddresses(prevResult: JsonObject, interfaces: readonly Interface[]): readonly string[] {
  return list(prevResult["ips"], "prevResult.ips").flatMap((entry, position) => {
    const path = `prevResult.ips[${position}]`;
    const { address, interface: index } = object(entry, path);
    const canonical = canonicalAddress(address, `${path}.address`);
    if (index === undefined || index === null) return [canonical];
    const owner = typeof index === "number" ? interfaces[index] : undefined;
    if (owner === undefined) {
      throw malformed(`${path}.interface is ${show(index)}, expected an index into prevResult.interfaces`);
    }
    return owner.isInside ? [canonical] : [];
  });
}

function legacyAddresses(prevResult: JsonObject): readonly string[] {
  return ["ip4", "ip6"].flatMap((family) => {
    const entry = prevResult[family] ?? undefined;
    if (entry === undefined) return [];
    const path = `prevResult.${family}`;
    return [canonicalAddress(object(entry, path)["ip"], `${path}.ip`)];
  });
}

function canonicalAddress(value: unknown, path: string): string {
  const [address = "", prefix, ...rest] = text(value, path).split("/");
  const { family, address: canonical } = parseAt(path, address);
  const longest = family === 6 ? 128 : 32;
  const hasPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest);
  if (hasPrefix && rest.length === 0) return canonical;
  throw malformed(`${path} is ${show(value)}, expected an address, with or without its prefix length`);
}

function parseAt(path: string, address: string): Cidr {
  try {
    return parseAddress(address);
  } catch (cause) {
    throw malformed(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function list(value: unknown, path: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw malformed(`${path} is ${show(value)}, expected a list`);
}

function object(value: unknown, path: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw malformed(`${path} is ${show(value)}, expected an object`);
}

function text(value: unknown, path: string): string {
  if (typeof value === "string") return value;
  throw malformed(`${path} is ${show(value)}, expected a string`);
}

function malformed(reason: string): CniError {
  return new CniError(`Cannot read prevResult: ${reason}`, { code: CNI_ERROR.decodingFailure });
}
