import { cidrContains } from "./address.ts";
import type { Rule } from "./rule.ts";

/**
 * Whether every packet that `later` matches is matched by `earlier`: true is certain. False says nothing where it takes
 * more than one block or port range of `earlier` to hold one of `later`.
 */
export function covers(earlier: Rule, later: Rule): boolean {
  return coversProtocol(earlier, later) && coversPorts(earlier, later) && coversHosts(earlier, later);
}

function coversProtocol(earlier: Rule, later: Rule): boolean {
  return earlier.protocol === "all" || earlier.protocol === later.protocol;
}

function coversPorts(earlier: Rule, later: Rule): boolean {
  if (earlier.ports.length === 0) return true;
  const isInside = later.ports.every(({ first, last }) =>
    earlier.ports.some((range) => range.first <= first && last <= range.last),
  );
  return later.ports.length > 0 && isInside;
}

function coversHosts(earlier: Rule, later: Rule): boolean {
  if (earlier.hosts.length === 0) return true;
  const isInside = later.hosts.every((host) => earlier.hosts.some((block) => cidrContains(block, host)));
  return later.hosts.length > 0 && isInside;
}
