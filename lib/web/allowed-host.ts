import { isAddress } from "../policy/address.ts";

/**
 * Whether a page may be asked for by this `Host` header (RFC 9110, section 7.2). A name that an attacker owns can be made
 * to lead to this machine (DNS rebinding), and his page would then read ours in somebody's browser; an address cannot,
 * nor can a name that is known to be this node's. Who sends no header at all is no browser.
 */
export function isAllowedHost(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined) return true;
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d{1,5})?$/.exec(host) ?? [];
  if (bracketed !== undefined) return isAddress(bracketed);
  if (plain === undefined) return false;
  const name = plain.toLowerCase().replace(/\.$/, "");
  if (name === "localhost" || isAddress(plain)) return true;
  return name !== "" && names.some((each) => each.trim().toLowerCase() === name);
}
