import { silentLog } from "../lib/host/log.ts";
import { readRuntimeRulesCache } from "../lib/host/runtime-rules-cache.ts";
import { attachedHere } from "../lib/plan/attached.ts";
import type { NodeVersions } from "../lib/plan/out-of-step.ts";
import type { KnownCluster } from "../lib/plan/plan.ts";
import { formatRuleSet, isInForce } from "../lib/policy/rule-set.ts";
import type { RuntimeRules } from "../lib/policy/runtime-rules.ts";
import { readAttachments, readRuntimeContext } from "./node-state.ts";
import { createStderrLog } from "./stderr-log.ts";

/** What is known of the cluster, and what of it could not be seen: a sentence each. */
export interface SeenCluster {
  readonly cluster: KnownCluster;
  readonly notes: readonly string[];
}

export interface StateFolders {
  readonly stateDir: string;
  readonly cacheDir: string;
}

/** This node's attachments, and the rules that its watcher last knew. */
export function readOwnNode(folders: StateFolders): SeenCluster {
  const { runtimeRules, nodes } = readOwnState(folders);
  return { cluster: { source: "state", nodes, statuses: [], entries: toEntries(runtimeRules) }, notes: [] };
}

/** Without the rights to it the plan goes on with what Consul says. */
export function readHere(folders: StateFolders, key: string): SeenCluster {
  try {
    const { runtimeRules, nowMs, nodes } = readOwnState(folders);
    const statuses = runtimeRules.node === "" ? [] : [toVersions(runtimeRules, nowMs)];
    const cached = readCached(folders, key);
    return { cluster: { source: "state", nodes, statuses, entries: [], cached }, notes: [] };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { cluster: { source: "state", nodes: [], statuses: [], entries: [] }, notes: [reason] };
  }
}

/**
 * The version of a rule set that this node's watcher keeps; none where that cannot be told. Who reads a cache may take
 * the accepts from a rule set that expires, so such a one is not what the node has in force.
 */
export function readCached({ cacheDir }: StateFolders, key: string): KnownCluster["entries"] {
  const rules = readRuntimeRulesCache(cacheDir, {
    log: silentLog,
    readOnly: true,
    nowMs: Date.now(),
    choose: () => (each) => each === key,
  });
  return rules ? toEntries({ ...rules, ruleSets: rules.ruleSets.filter(({ ruleSet }) => !ruleSet.expiresAt) }) : [];
}

function readOwnState({ stateDir, cacheDir }: StateFolders) {
  const log = createStderrLog();
  const { runtimeRules, nowMs } = readRuntimeContext(cacheDir, log);
  const { attachments } = readAttachments(stateDir, log);
  return { runtimeRules, nowMs, nodes: [attachedHere(runtimeRules.node, attachments)] };
}

/** What a watcher keeps is what it has put in force. Whether it still does is not known. */
function toVersions({ node, ruleSets }: RuntimeRules, nowMs: number): NodeVersions {
  return {
    node,
    isInSync: false,
    rejections: [],
    ruleSets: ruleSets.map(({ key, modifyIndex, ruleSet, hasExpired }) => {
      const isOver = hasExpired === true || !isInForce(ruleSet, nowMs);
      const state = isOver ? "expired" : ruleSet.mode === "audit" ? "audit" : "in-force";
      return { key, modifyIndex, state };
    }),
  };
}

function toEntries({ ruleSets }: RuntimeRules): KnownCluster["entries"] {
  return ruleSets.map(({ key, modifyIndex, ruleSet }) => {
    const value = new TextEncoder().encode(JSON.stringify(formatRuleSet(ruleSet)));
    return { key, modifyIndex, value };
  });
}
