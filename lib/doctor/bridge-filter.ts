import type { Family } from "../policy/address.ts";
import { ok, problem, type Check } from "./check.ts";

export interface BridgeFilterFacts {
  /** What there is that uses a bridge: conflists with outbound, and attachments. Empty: nothing does. */
  readonly users: readonly string[];
  readonly hasFamily: Readonly<Record<Family, boolean>>;
  /** The two kernel settings; undefined where the module br_netfilter is not loaded. */
  readonly isOn: Readonly<Record<Family, boolean | undefined>>;
}

/**
 * Whether iptables gets to see what a bridge forwards. Without it neither traffic between two containers of one bridge
 * passes our chains, nor can it be told which port a packet came in through.
 */
export function checkBridgeFilter(facts: BridgeFilterFacts): readonly Check[] {
  return ([4, 6] as const).map((family) => checkFamily(family, facts));
}

function checkFamily(family: Family, { users, hasFamily, isOn }: BridgeFilterFacts): Check {
  const name = family === 4 ? "bridge-nf-call-iptables" : "bridge-nf-call-ip6tables";
  const [user] = users;
  if (isOn[family] === true) {
    const unseen =
      user === undefined ? "" : "; frames with a VLAN tag stay unseen, docs/operating.md tells how to drop them";
    return ok(name, `${name} is on${unseen}`);
  }
  if (user === undefined) return ok(name, `${name} is not needed: nothing with outbound uses a bridge`);
  if (!hasFamily[family]) return ok(name, `${name} is not needed: this kernel has no IPv6`);
  const isLoaded = isOn[family] !== undefined;
  const missing = isLoaded ? "0" : "not there: br_netfilter is not loaded";
  const load = isLoaded ? "" : "modprobe br_netfilter (and /etc/modules-load.d), then ";
  return problem(name, {
    message:
      `${name} is ${missing}, and ${user} uses a bridge: containers of one bridge reach each other past their ` +
      "rules, and may send from addresses that are not their own",
    remedy: `${load}sysctl -w net.bridge.${name}=1 (and /etc/sysctl.d)`,
  });
}
