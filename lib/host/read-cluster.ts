import { rulesRoot, statusRoot } from "../policy/roots.ts";
import { decodeSegment } from "../policy/segment.ts";
import { toEntry } from "../rules/entry.ts";
import type { ClusterFacts, UnreadableStatus } from "../status/cluster-status.ts";
import { parseNodeStatus, type NodeStatus } from "../status/node-status.ts";
import { ConsulError } from "./consul-error.ts";
import type { Consul, KvEntry, PrefixAnswer } from "./consul.ts";

/** What is asked about. */
export interface StatusQuestion {
  /** `outbound`. */
  readonly prefix: string;
  /** One rule set, below `<prefix>/rules/`. */
  readonly key?: string;
  /** What the keys below `<prefix>/rules/` start with; empty: all. A key is one that starts with itself. */
  readonly start: string;
}

/** What Consul says about a question, as it came. */
export interface ClusterReading {
  readonly statuses: PrefixAnswer;
  readonly rules: PrefixAnswer;
  readonly hidesStatuses: boolean;
  readonly hidesRules: boolean;
}

export interface ReadClusterPorts {
  readonly consul: Pick<Consul, "readPrefix" | "checkReadable">;
  readonly signal: AbortSignal;
}

/**
 * Statuses are read before rule sets: whatever changes in between then looks as if it were not in force yet, and never as
 * if it were.
 *
 * @throws ConsulError, `forbidden` where none of the rule sets asked about may be read
 */
export async function readCluster(question: StatusQuestion, ports: ReadClusterPorts): Promise<ClusterReading> {
  const statuses = await read(statusRoot(question.prefix), ports);
  const rules = await read(rulesPrefixOf(question), ports);
  if (rules.isForbidden && (rules.answer.isEmpty || question.key !== undefined)) throw rules.isForbidden;
  return {
    statuses: statuses.answer,
    rules: rules.answer,
    hidesStatuses: statuses.isForbidden !== undefined || statuses.answer.isFiltered,
    hidesRules: rules.isForbidden !== undefined || rules.answer.isFiltered,
  };
}

export function rulesPrefixOf({ prefix, start }: StatusQuestion): string {
  return rulesRoot(prefix) + start;
}

/** Remembers what it has parsed, as a thousand nodes write one after another. */
export function createFactsParser({
  prefix,
}: Pick<StatusQuestion, "prefix">): (reading: ClusterReading) => ClusterFacts {
  const statusStart = statusRoot(prefix).length;
  const rulesStart = rulesRoot(prefix).length;
  const toStatus = remembering((entry) => parseStatus(entry, entry.key.slice(statusStart)));
  const toRuleSet = remembering(({ key, ...rest }) => toEntry({ key: key.slice(rulesStart), ...rest }));
  return ({ statuses, rules, hidesRules, hidesStatuses }) => {
    const parsed = statuses.entries.map(toStatus);
    return {
      entries: rules.entries.map(toRuleSet),
      statuses: parsed.flatMap((each) => ("problem" in each ? [] : [each])),
      unreadable: parsed.flatMap((each) => ("problem" in each ? [each] : [])),
      hidesRules,
      hidesStatuses,
    };
  };
}

function remembering<T>(parse: (entry: KvEntry) => T): (entry: KvEntry) => T {
  const known = new Map<string, { readonly modifyIndex: number; readonly parsed: T }>();
  return (entry) => {
    const { key, modifyIndex } = entry;
    const before = known.get(key);
    if (before?.modifyIndex === modifyIndex) return before.parsed;
    const parsed = parse(entry);
    known.set(key, { modifyIndex, parsed });
    return parsed;
  };
}

async function read(
  prefix: string,
  { consul, signal }: ReadClusterPorts,
): Promise<{ readonly answer: PrefixAnswer; readonly isForbidden: ConsulError | undefined }> {
  const answer = await consul.readPrefix({ prefix, index: 0n, waitSeconds: 0, consistent: false, signal });
  try {
    // Consul does not always say that it left keys out.
    await consul.checkReadable({ prefix, signal });
    return { answer, isForbidden: undefined };
  } catch (error) {
    if (error instanceof ConsulError && error.kind === "forbidden") return { answer, isForbidden: error };
    throw error;
  }
}

function parseStatus({ value }: KvEntry, segment: string): NodeStatus | UnreadableStatus {
  const node = decodeSegment(segment) ?? segment;
  try {
    const status = parseNodeStatus(new TextDecoder().decode(value));
    return status.node === node ? status : { node, problem: `it is that of ${status.node}` };
  } catch (error) {
    const isJson = !(error instanceof SyntaxError);
    return { node, problem: isJson ? "another version of outbound has written it" : "it is not JSON" };
  }
}
