import { createAttachmentReader, type StoredAttachments } from "../lib/host/attachment-store.ts";
import { hostInterfaces } from "../lib/host/host-interfaces.ts";
import { createIptables, type RulesetReader } from "../lib/host/iptables.ts";
import type { Log } from "../lib/host/log.ts";
import { readRuntimeRulesCache } from "../lib/host/runtime-rules-cache.ts";
import type { KernelTables } from "../lib/inspect/kernel.ts";
import { parseRuleset } from "../lib/netfilter/parse-ruleset.ts";
import type { Family } from "../lib/policy/address.ts";
import type { RuntimeContext } from "../lib/policy/runtime-rules.ts";

/** This node's attachments, with a port that cannot write. */
export function readAttachments(stateDir: string, log: Log): StoredAttachments {
  try {
    return createAttachmentReader(stateDir, { log }).list();
  } catch (error) {
    if (!isPermissionDenied(error)) throw error;
    throw new Error(`Cannot read ${stateDir}: permission denied, run it as root`, { cause: error });
  }
}

/** The runtime rules as the plugin knows them; where none are cached, that is said and none hold. */
export function readRuntimeContext(cacheDir: string, log: Log): RuntimeContext {
  const nowMs = Date.now();
  const cached = readRuntimeRulesCache(cacheDir, { log, readOnly: true, nowMs });
  if (!cached) log.warn({ cacheDir }, "No runtime rules are cached, what Consul KV says is not known");
  return { runtimeRules: cached ?? { node: "", ruleSets: [] }, nowMs };
}

/** The filter tables, with a port that cannot write. Only root may read them: others get to know that and the rest. */
export async function readKernel(log: Log): Promise<KernelTables> {
  const iptables: RulesetReader = createIptables({ path: process.env["PATH"] });
  const read = async (family: Family): Promise<KernelTables[Family]> => {
    if (!iptables.has(family) || !hostInterfaces.hasFamily(family)) return "absent";
    try {
      return parseRuleset(await iptables.save(family, { withCounters: true }));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ family, reason }, "Cannot read the kernel's chains");
      return "unreadable";
    }
  };
  const [ipv4, ipv6] = await Promise.all([read(4), read(6)]);
  return { 4: ipv4, 6: ipv6 };
}

function isPermissionDenied(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM");
}
