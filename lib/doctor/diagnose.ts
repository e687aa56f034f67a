import type { Family } from "../policy/address.ts";
import { checkBridgeFilter, type BridgeFilterFacts } from "./bridge-filter.ts";
import { checkChains, type ChainFacts } from "./chains.ts";
import type { Check, Fact } from "./check.ts";
import { checkConflists, type ConflistsFacts } from "./conflists.ts";
import { checkConsul, type ConsulFacts } from "./consul.ts";
import { checkExecutable, type ExecutableFacts } from "./executable.ts";
import { checkIdentities, type IdentityFacts } from "./identities.ts";
import { checkIptables, type IptablesFacts } from "./iptables.ts";
import { checkConntrack, checkKernelLog, type ConntrackFacts, type KernelLogFacts } from "./kernel-tables.ts";
import { checkState, type StateFacts } from "./state.ts";
import { checkWatcher, type WatcherFacts } from "./watcher.ts";

/** All that was found out about a node. */
export interface NodeFacts {
  readonly iptables: Readonly<Record<Family, IptablesFacts>>;
  readonly bridgeFilter: BridgeFilterFacts;
  readonly chains: ChainFacts;
  readonly conntrack: Fact<ConntrackFacts> | undefined;
  readonly kernelLog: KernelLogFacts;
  readonly conflists: ConflistsFacts;
  readonly executable: ExecutableFacts;
  readonly state: StateFacts;
  readonly watcher: WatcherFacts;
  readonly identities: Fact<IdentityFacts>;
  readonly consul: Fact<ConsulFacts>;
}

export interface Section {
  readonly title: string;
  readonly checks: readonly Check[];
}

/** Everything that rules on this node depend on, judged. */
export function diagnose(facts: NodeFacts): readonly Section[] {
  return [
    {
      title: "Kernel",
      checks: [
        ...checkIptables(facts.iptables),
        ...checkBridgeFilter(facts.bridgeFilter),
        ...checkChains(facts.chains),
        checkConntrack(facts.conntrack),
        checkKernelLog(facts.kernelLog),
      ],
    },
    { title: "CNI", checks: [...checkConflists(facts.conflists), checkExecutable(facts.executable)] },
    { title: "State", checks: checkState(facts.state) },
    { title: "Watcher", checks: [...checkWatcher(facts.watcher), checkIdentities(facts.identities)] },
    { title: "Consul", checks: checkConsul(facts.consul) },
  ];
}
