import { ConsulError } from "../lib/host/consul-error.ts";
import type { KvEntry } from "../lib/host/consul.ts";
import { attachedBy } from "../lib/plan/attached.ts";
import { watchedPrefix, type Scope } from "../lib/policy/scope.ts";
import { parseNodeStatus, type NodeStatus } from "../lib/status/node-status.ts";
import type { ConsulSession } from "./consul-session.ts";
import { readCached, readHere, type SeenCluster, type StateFolders } from "./plan-own-node.ts";

interface Planned extends StateFolders {
  readonly prefix: string;
  readonly key: string;
  readonly scope: Scope;
}

/** Rule sets and attachments as Consul tells them; where no watcher tells its own, the attachments of this node. */
export async function readCluster(
  { prefix, key, scope, ...folders }: Planned,
  session: ConsulSession,
): Promise<SeenCluster> {
  const { entries, notes } = await readRules({ root: `${prefix}/rules/`, scope }, session);
  const told = await readStatuses(`${prefix}/status/`, session);
  if (told.statuses.length > 0) {
    const cluster = {
      source: "status",
      nodes: told.statuses.map(attachedBy),
      statuses: told.statuses,
      entries,
      cached: readCached(folders, key),
    } as const;
    return { cluster, notes: [...notes, ...told.notes] };
  }
  const here = readHere(folders, key);
  return { cluster: { ...here.cluster, entries }, notes: [...notes, ...told.notes, ...here.notes] };
}

interface RulesOptions {
  readonly root: string;
  readonly scope: Scope;
}

/** All rule sets; where ACLs do not let a token list them all, those of the scope that is planned. */
async function readRules({ root, scope }: RulesOptions, session: ConsulSession) {
  const inRoot = (entries: readonly KvEntry[]) =>
    entries.map((entry) => ({ ...entry, key: entry.key.slice(root.length) }));
  try {
    return { entries: inRoot((await read(root, session)).entries), notes: [] };
  } catch (error) {
    if (!isForbidden(error)) throw error;
    const own = `${root}${watchedPrefix(scope)}`;
    const { entries } = await read(own, session);
    return { entries: inRoot(entries), notes: [`This token may list no more than ${own}.`] };
  }
}

async function readStatuses(root: string, session: ConsulSession) {
  const statuses: NodeStatus[] = [];
  const unreadable: string[] = [];
  try {
    await session.consul.checkReadable({ prefix: root, signal: session.signal });
    for (const { key, value } of (await read(root, session)).entries) {
      if (key.endsWith("/")) continue;
      try {
        statuses.push(parseNodeStatus(new TextDecoder().decode(value)));
      } catch {
        unreadable.push(key.slice(root.length));
      }
    }
  } catch (error) {
    if (!isForbidden(error)) throw error;
    return { statuses, notes: [`This token may not read ${root}, where every node tells what is attached to it.`] };
  }
  const lagging = statuses.filter(({ isInSync }) => !isInSync).map(({ node }) => node);
  const cut = statuses.filter(({ leftOut = [] }) => leftOut.includes("policies") || leftOut.includes("groups"));
  const notes = [
    ...(cut.length > 0
      ? [`Too much to tell in one status, so not compared: attachments of ${cut.map(({ node }) => node).join(", ")}.`]
      : []),
    ...(unreadable.length > 0 ? [`Not understood, so left out: the status of ${unreadable.join(", ")}.`] : []),
    ...(lagging.length > 0 ? [`Not in sync with KV: ${lagging.join(", ")}.`] : []),
    ...(statuses.length === 0 ? [`No watcher tells below ${root} what is attached to its node.`] : []),
  ];
  return { statuses, notes };
}

/**
 * Which of the places that rule sets of some attachments are in ACLs hide: what is there is in no comparison.
 * `prefixes` are below `root`.
 */
export async function findHidden(
  prefixes: readonly string[],
  { root, session: { consul, signal } }: { readonly root: string; readonly session: ConsulSession },
): Promise<readonly string[]> {
  const places = new Set(prefixes.map(placeOf));
  const hidden: string[] = [];
  for (const place of places) {
    try {
      await consul.checkReadable({ prefix: `${root}${place}`, signal });
    } catch (error) {
      if (!isForbidden(error)) throw error;
      hidden.push(place);
    }
  }
  return hidden;
}

/** A token that may read one node's rule sets is as good as one that may read all: nobody gives rights node by node. */
function placeOf(prefix: string): string {
  const [kind = "", name = ""] = prefix.split("/");
  return kind === "global" || kind === "node" ? `${kind}/` : `${kind}/${name}/`;
}

function read(prefix: string, { consul, signal }: ConsulSession) {
  return consul.readPrefix({ prefix, index: 0n, waitSeconds: 0, consistent: true, signal });
}

function isForbidden(error: unknown): boolean {
  return error instanceof ConsulError && error.kind === "forbidden" && error.statusCode === 403;
}
