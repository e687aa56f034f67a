import type { BridgeFilterFacts } from "../lib/doctor/bridge-filter.ts";
import type { ChainFacts } from "../lib/doctor/chains.ts";
import { isUnread, NEEDS_ROOT, type Fact } from "../lib/doctor/check.ts";
import type { IptablesFacts } from "../lib/doctor/iptables.ts";
import type { ConntrackFacts, KernelLogFacts } from "../lib/doctor/kernel-tables.ts";
import { hostInterfaces } from "../lib/host/host-interfaces.ts";
import { createIptables, type RulesetReader } from "../lib/host/iptables.ts";
import { readIptablesProgram } from "../lib/host/iptables-program.ts";
import { openKernelLogOnce, readKernelSetting } from "../lib/host/kernel-settings.ts";
import { isKernelLogWritten } from "../lib/host/log-namespaces.ts";
import { awaitFact, readFact } from "../lib/host/read-fact.ts";
import { parseRuleset } from "../lib/netfilter/parse-ruleset.ts";
import type { Family } from "../lib/policy/address.ts";

export interface KernelFacts {
  readonly iptables: Readonly<Record<Family, IptablesFacts>>;
  readonly tables: ChainFacts["kernel"];
}

/** Both families' programs and filter tables. */
export async function gatherKernel({ signal }: { readonly signal: AbortSignal }): Promise<KernelFacts> {
  const path = process.env["PATH"];
  const reader: RulesetReader = createIptables({ path, signal });
  const [program4, program6, table4, table6] = await Promise.all([
    awaitFact(readIptablesProgram(4, { path, signal })),
    awaitFact(readIptablesProgram(6, { path, signal })),
    readTable(4, reader),
    readTable(6, reader),
  ]);
  return {
    iptables: {
      4: { hasFamily: hostInterfaces.hasFamily(4), program: program4 },
      6: { hasFamily: hostInterfaces.hasFamily(6), program: program6 },
    },
    tables: { 4: table4, 6: table6 },
  };
}

export function readBridgeFilter(users: readonly string[]): BridgeFilterFacts {
  const isOn = (name: string): boolean | undefined => {
    const value = readKernelSetting(`net/bridge/bridge-nf-call-${name}`);
    return value === undefined ? undefined : value !== "0";
  };
  return {
    users,
    hasFamily: { 4: true, 6: hostInterfaces.hasFamily(6) },
    isOn: { 4: isOn("iptables"), 6: isOn("ip6tables") },
  };
}

/** Undefined where the kernel has not loaded it. */
export function readConntrack(): Fact<ConntrackFacts> | undefined {
  return readFact(() => {
    const count = readKernelSetting("net/netfilter/nf_conntrack_count");
    const max = readKernelSetting("net/netfilter/nf_conntrack_max");
    return count === undefined || max === undefined ? undefined : { count: Number(count), max: Number(max) };
  });
}

export async function gatherKernelLog(signal: AbortSignal): Promise<Omit<KernelLogFacts, "isNeeded">> {
  const isLoggedTo = await awaitFact(isKernelLogWritten({ path: process.env["PATH"], signal }));
  return { readable: readFact(openKernelLogOnce), isLoggedTo: blameRights(isLoggedTo) };
}

async function readTable(family: Family, reader: RulesetReader): Promise<ChainFacts["kernel"][Family]> {
  if (!reader.has(family) || !hostInterfaces.hasFamily(family)) return "absent";
  const table = await awaitFact(reader.save(family).then(parseRuleset));
  return blameRights(table);
}

/** Programs word it differently from version to version. */
function blameRights<T>(fact: Fact<T>): Fact<T> {
  return isUnread(fact) && process.getuid?.() !== 0 ? { unread: NEEDS_ROOT } : fact;
}
