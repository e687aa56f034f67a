import type { Attachment } from "./attachment.ts";
import { decodeSegment, encodeSegment } from "./segment.ts";
import { show } from "./show.ts";

export { decodeSegment, encodeSegment };

/** What a rule set applies to. */
export type Scope =
  | { readonly kind: "global" }
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "network"; readonly network: string }
  | { readonly kind: "namespace"; readonly namespace: string }
  | { readonly kind: "job"; readonly namespace: string; readonly job: string }
  | { readonly kind: "group"; readonly namespace: string; readonly job: string; readonly group: string }
  | { readonly kind: "alloc"; readonly namespace: string; readonly alloc: string };

/** What a key below `<root>/rules/` is. A folder is an entry that Consul's UI makes; it holds nothing. */
export type ParsedKey =
  | { readonly kind: "rule-set"; readonly scope: Scope; readonly name: string }
  | { readonly kind: "folder" }
  | { readonly kind: "unknown"; readonly reason: string };

/** Parses a key, given relative to `<root>/rules/`. */
export function parseKey(relative: string): ParsedKey {
  if (relative === "" || relative.endsWith("/")) return { kind: "folder" };
  const segments: string[] = [];
  for (const segment of relative.split("/")) {
    const name = decodeSegment(segment);
    if (name === undefined) return { kind: "unknown", reason: whyNotCanonical(segment) };
    segments.push(name);
  }
  const name = segments.pop() ?? "";
  const scope = toScope(segments);
  return scope === undefined
    ? { kind: "unknown", reason: whyNoScope(segments[0] ?? name) }
    : { kind: "rule-set", scope, name };
}

/** The key of a rule set, relative to `<root>/rules/`. Throws where a part of it is empty. */
export function formatKey(scope: Scope, name: string): string {
  return `${scopePrefix(scope)}${encodeSegment(name)}`;
}

/** What a scope's keys start with, e.g. `namespace/default/job/web/`. Two scopes are the same if this is. */
export function scopePrefix(scope: Scope): string {
  switch (scope.kind) {
    case "global":
      return "global/";
    case "node":
      return join("node", scope.node);
    case "network":
      return join("network", scope.network);
    case "namespace":
      return join("namespace", scope.namespace);
    case "job":
      return join("namespace", scope.namespace, "job", scope.job);
    case "group":
      return join("namespace", scope.namespace, "job", scope.job, "group", scope.group);
    case "alloc":
      return join("namespace", scope.namespace, "alloc", scope.alloc);
  }
}

/** The prefix that is read to know a scope's rule sets: a namespace is read as a whole. */
export function watchedPrefix(scope: Scope): string {
  return "namespace" in scope ? join("namespace", scope.namespace) : scopePrefix(scope);
}

/** As much of an attachment as its scopes depend on. */
export type ScopedAttachment = Pick<Attachment, "network" | "containerId" | "identity">;

/** Tells, given the node's name, which keys below `<root>/rules/` are of an attachment's scopes. */
export function keysOf(attachment: ScopedAttachment): (node: string) => (key: string) => boolean {
  return (node) => {
    const prefixes = new Set(attachmentScopes(attachment, node).map(scopePrefix));
    return (key) => prefixes.has(key.slice(0, key.lastIndexOf("/") + 1));
  };
}

/**
 * The scopes that an attachment is in, widest first: global, node, network, namespace, its job and the jobs that
 * dispatched it, its group in each of those, its allocation. What is not known of it leaves its scopes out.
 */
export function attachmentScopes({ network, containerId, identity }: ScopedAttachment, node: string): readonly Scope[] {
  const scopes: Scope[] = [{ kind: "global" }];
  if (node !== "") scopes.push({ kind: "node", node });
  if (network !== "") scopes.push({ kind: "network", network });
  const { namespace = "", job = "", group = "" } = identity;
  if (namespace === "") return scopes;
  const jobs = withAncestors(job);
  scopes.push({ kind: "namespace", namespace });
  scopes.push(...jobs.map((each): Scope => ({ kind: "job", namespace, job: each })));
  if (group !== "") scopes.push(...jobs.map((each): Scope => ({ kind: "group", namespace, job: each, group })));
  if (containerId !== "") scopes.push({ kind: "alloc", namespace, alloc: containerId });
  return scopes;
}

/** The prefixes below `<root>/rules/` that hold every rule set for attachments to these networks and namespaces. */
export function neededPrefixes({
  node,
  networks,
  namespaces,
}: {
  readonly node: string;
  readonly networks: Iterable<string>;
  readonly namespaces: Iterable<string>;
}): readonly string[] {
  const prefixes = new Set([scopePrefix({ kind: "global" })]);
  if (node !== "") prefixes.add(scopePrefix({ kind: "node", node }));
  for (const network of networks) if (network !== "") prefixes.add(scopePrefix({ kind: "network", network }));
  for (const namespace of namespaces) if (namespace !== "") prefixes.add(scopePrefix({ kind: "namespace", namespace }));
  return [...prefixes].toSorted();
}

function toScope(segments: readonly string[]): Scope | undefined {
  const [kind, first = "", inner, second = "", innermost, third = ""] = segments;
  if (segments.length === 1 && kind === "global") return { kind };
  if (segments.length === 2 && kind === "node") return { kind, node: first };
  if (segments.length === 2 && kind === "network") return { kind, network: first };
  if (kind !== "namespace") return undefined;
  if (segments.length === 2) return { kind, namespace: first };
  if (segments.length === 4 && inner === "job") return { kind: "job", namespace: first, job: second };
  if (segments.length === 4 && inner === "alloc") return { kind: "alloc", namespace: first, alloc: second };
  if (segments.length !== 6 || inner !== "job" || innermost !== "group") return undefined;
  return { kind: "group", namespace: first, job: second, group: third };
}

function whyNotCanonical(segment: string): string {
  if (segment === "") return "found an empty segment, expected a name between each two slashes";
  return `found the segment ${show(segment)}, expected A-Z a-z 0-9 . _ - and each other byte as = and two upper-case hex digits`;
}

function whyNoScope(first: string | undefined): string {
  switch (first) {
    case "global":
      return "found more or fewer segments, expected global/<name>";
    case "node":
      return "found more or fewer segments, expected node/<node>/<name>";
    case "network":
      return "found more or fewer segments, expected network/<network>/<name>";
    case "namespace":
      return "found no scope of a namespace, expected namespace/<ns>/ and then <name>, job/<job>/<name>, job/<job>/group/<group>/<name> or alloc/<alloc-id>/<name>";
    default:
      return "found no scope, expected a key that starts with global/, node/, network/ or namespace/";
  }
}

/**
 * A child of a parameterised or periodic job is named `<parent>/dispatch-…` or `<parent>/periodic-…`
 * (Nomad, structs.DispatchLaunchSuffix and PeriodicLaunchSuffix), and may be both in turn. Nearest first. Of more
 * ancestors than any job has, as a forged name may claim, the first ones count: all of them would fill the memory.
 */
function withAncestors(job: string): readonly string[] {
  if (job === "") return [];
  const launches = job.matchAll(/\/(?:dispatch|periodic)-/g).take(MOST_ANCESTORS);
  const parents = Array.from(launches, (match) => job.slice(0, match.index));
  return [job, ...parents.filter((parent) => parent !== "").toReversed()];
}

const MOST_ANCESTORS = 10;

function join(...names: readonly string[]): string {
  return names.map((name) => `${encodeSegment(name)}/`).join("");
}
